// Preact with its hooks, and htm's template strings bound to it: one module, so that there is one copy of Preact.
import { h } from "preact";
import htm from "htm";

export { Fragment, createContext, h, render } from "preact";
export { useCallback, useContext, useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
export const html = htm.bind(h);
