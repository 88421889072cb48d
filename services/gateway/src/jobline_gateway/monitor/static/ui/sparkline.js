// A small line of recent figures, without axes: its neighbour is the figure itself.
import { html } from "../vendor/preact.js";

const WIDTH = 120;
const HEIGHT = 28;

export function Sparkline({ values, label }) {
  const top = Math.max(...values, 0) || 1;
  const x = (index) => ((index / Math.max(values.length - 1, 1)) * WIDTH).toFixed(1);
  const y = (value) => (HEIGHT - 1 - (value / top) * (HEIGHT - 3)).toFixed(1);
  const line = values.map((value, index) => `${index ? "L" : "M"}${x(index)} ${y(value)}`).join("");
  return html`<svg class="sparkline" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${label}>
    ${values.length > 1 && html`<path class="area" d=${`${line}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`} /><path class="line" d=${line} />`}
  </svg>`;
}
