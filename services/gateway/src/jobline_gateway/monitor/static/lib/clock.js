// One clock for everything that tells an age. It follows the server's time: a browser's clock may be wrong by minutes.
import { useEffect, useState } from "../vendor/preact.js";

const TICK = 1000;
const listeners = new Set();
let ahead = 0;

setInterval(() => {
  if (!document.hidden) for (const tell of listeners) tell();
}, TICK);

export function setServerTime(iso) {
  ahead = Date.parse(iso) - Date.now();
}

// Milliseconds since 1970, as the server sees it.
export const now = () => Date.now() + ahead;

// What `read` gives, again each second; the component renders anew only when that has changed.
export function useTicking(read, inputs) {
  const [, setShown] = useState(null);
  useEffect(() => {
    const look = () => setShown(read());
    listeners.add(look);
    look();
    return () => listeners.delete(look);
  }, inputs);
  return read();
}
