// Walking through a list with j and k: the focus moves from one row's link to the next, so Enter opens it and readers of the
// screen hear it. A refresh keeps the rows' elements, and with them the focus.
import { useRef } from "../vendor/preact.js";
import { useKeys } from "./keys.js";

const LINK = "[data-row-link]";

// Gives a ref for the element around the rows. `acts`: key → function of the row's `data-id`.
export function useRows(acts = {}) {
  const container = useRef(null);
  const last = useRef(-1);

  const links = () => [...(container.current?.querySelectorAll(LINK) ?? [])];
  const focused = () => document.activeElement?.closest?.("[data-id]");

  const move = (step) => () => {
    const all = links();
    if (!all.length) return undefined;
    const row = focused();
    const at = all.findIndex((link) => row?.contains(link));
    last.current = Math.min(all.length - 1, Math.max(0, at < 0 && last.current < 0 ? 0 : (at < 0 ? last.current : at) + step));
    all[last.current].focus();
    all[last.current].scrollIntoView({ block: "nearest" });
    return true;
  };
  const onRow = (act) => () => {
    const row = focused();
    return row && container.current?.contains(row) ? (act(row.dataset.id), true) : undefined;
  };
  useKeys({ j: move(1), k: move(-1), ...Object.fromEntries(Object.entries(acts).map(([key, act]) => [key, onRow(act)])) });
  return container;
}
