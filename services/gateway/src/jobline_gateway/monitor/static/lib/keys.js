// Keyboard shortcuts: single letters, and two in a row that begin with `g`. They rest while somebody types, while a dialog is
// open, and for whoever switches them off (WCAG 2.1.4: voice control and shaky hands hit letters by accident).
import { useEffect, useRef } from "../vendor/preact.js";
import { remember, setting } from "./settings.js";

const PREFIX = "g";
const PATIENCE = 1200;
const handlers = [];
let prefixedAt = -Infinity;

export const shortcutsAreOn = () => setting("shortcuts", "on") === "on";
export const switchShortcuts = (on) => remember("shortcuts", on ? "on" : "off");

const TYPING = "input:not([type=checkbox],[type=radio]), textarea, select, [contenteditable]";

function onKey(event) {
  const typing = event.target.closest?.(TYPING);
  if (event.ctrlKey || event.metaKey || event.altKey || typing || event.isComposing || !shortcutsAreOn()) return;
  if (document.querySelector("dialog[open]")) return;
  const prefixed = event.timeStamp - prefixedAt < PATIENCE;
  prefixedAt = -Infinity;
  if (event.key === PREFIX && !prefixed) {
    prefixedAt = event.timeStamp;
    return;
  }
  const name = prefixed ? `${PREFIX} ${event.key}` : event.key;
  const act = handlers.findLast((each) => each.current[name])?.current[name];
  if (act?.() !== undefined) event.preventDefault();
}

document.addEventListener("keydown", onKey);

// `acts`: key → function; one that returns undefined has not used the key. The component mounted last comes first.
export function useKeys(acts) {
  const latest = useRef(acts);
  latest.current = acts;
  useEffect(() => {
    handlers.push(latest);
    return () => handlers.splice(handlers.indexOf(latest), 1);
  }, []);
}
