// How far something has come.
import { html } from "../vendor/preact.js";
import { integer } from "../lib/words.js";

export function ProgressBar({ value, max, label }) {
  return html`<progress value=${value} max=${Math.max(max, 1)} aria-label=${label}></progress>`;
}

// A job's progress: step, bar, numbers and message, as far as it told them. `brief`: no message; `over`: no bar, it has ended.
export function Progress({ progress, brief = false, over = false }) {
  if (!progress) return null;
  const { step, current, total, message } = progress;
  const numbers = total > 0 ? `${integer(current)} / ${integer(total)}` : current > 0 ? integer(current) : "";
  const words = [numbers, step, brief ? "" : message].filter(Boolean).join(" · ");
  return html`<span class=${brief ? "progress brief" : "progress"}>
    ${total > 0 && !over && html`<${ProgressBar} value=${current} max=${total} label="Progress" />`}
    <span class="faint clip" title=${message || undefined}>${words}</span>
  </span>`;
}
