// A line for a terminal, with a button that copies it.
import { html, useState } from "../vendor/preact.js";

const SHOWN = 1500;

export function CopyButton({ text, label = "Copy" }) {
  const [said, setSaid] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid("Copied");
    } catch {
      setSaid("Select it and copy");
    }
    setTimeout(() => setSaid(""), SHOWN);
  };
  return html`<button type="button" class="small quiet copy" aria-label=${label} onClick=${copy}>
    <span aria-live="polite">${said || "Copy"}</span>
  </button>`;
}

export function Command({ name, text }) {
  return html`<div class="command" data-testid=${`command-${name}`}>
    <span class="faint">${name}</span>
    <code tabindex="0" role="textbox" aria-readonly="true" aria-label=${`${name} command`}>${text}</code>
    <${CopyButton} text=${text} label=${`Copy the ${name} command`} />
  </div>`;
}
