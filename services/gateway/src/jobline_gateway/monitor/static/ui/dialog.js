// A native dialog: the browser keeps the focus inside, closes it on Escape, and gives the focus back.
import { html, useEffect, useRef } from "../vendor/preact.js";

// `children`: a function of {close}.
export function Dialog({ title, onClose, children, testid = "dialog" }) {
  const element = useRef(null);
  const close = () => element.current?.close();
  useEffect(() => element.current.showModal(), []);
  return html`<dialog ref=${element} aria-label=${title} onClose=${onClose} data-testid=${testid}>
    <h2>${title}</h2>
    ${children({ close })}
  </dialog>`;
}
