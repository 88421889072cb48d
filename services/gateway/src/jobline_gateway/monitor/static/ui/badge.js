// The state of a job: a coloured sign with its word, so that colour is never the only one to tell. The sign is drawn by the
// style sheet, because not every system has a font for it; as text it can be copied.
import { html } from "../vendor/preact.js";
import { STATES } from "../lib/words.js";

// `past`: no job is in it now; nothing turns.
export function Badge({ state, past = false }) {
  const { word, sign, tone } = STATES[state] ?? { word: state.toUpperCase(), sign: "⚪", tone: "grey" };
  return html`<span class=${`badge ${tone}`} data-testid="badge" data-state=${state}>
    <span class=${state === "running" && !past ? "sign spinner" : "sign"} aria-hidden="true">${sign} </span>${word}
  </span>`;
}
