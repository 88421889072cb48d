// Who is looking: {sub, email, role, canAct, expiresAt, version}.
import { createContext, useContext } from "../vendor/preact.js";

export const Me = createContext(null);
export const useMe = () => useContext(Me);
