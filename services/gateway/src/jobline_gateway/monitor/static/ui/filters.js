// The box around a view's filter. On a narrow screen it is folded; the key `/` leads to its first field.
import { html, useState } from "../vendor/preact.js";
import { useKeys } from "../lib/keys.js";

// `first`: a ref of the field that comes first.
export function Filters({ label, first, children }) {
  const [open, setOpen] = useState(false);
  const enter = () => {
    setOpen(true);
    requestAnimationFrame(() => first.current?.focus());
    return true;
  };
  useKeys({ "/": enter });
  return html`<search class=${open ? "filters open" : "filters"} aria-label=${label} data-testid="filters">
    <button type="button" class="fold" aria-expanded=${open} onClick=${() => setOpen(!open)}>${label}</button>
    <div class="inside">${children}</div>
  </search>`;
}
