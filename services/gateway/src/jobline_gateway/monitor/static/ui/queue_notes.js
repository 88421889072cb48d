// Two sentences about a queue: who paused it, and how good its estimates were.
import { html } from "../vendor/preact.js";
import { integer, percent } from "../lib/words.js";
import { Time } from "./times.js";

// Of fewer estimates a share says nothing.
const ENOUGH = 20;

export function PauseNote({ queue }) {
  if (!queue.paused) return null;
  const { actor, since, reason } = queue.pause ?? {};
  return html`<p class="notice warn" data-testid="pause-note">
    <span
      ><strong>Paused</strong>${actor && html` by ${actor}`}${since && html`${" "}<${Time} iso=${since} />`}${reason && html`: ${reason}`}</span
    >
  </p>`;
}

export function Coverage({ coverage }) {
  if (!coverage?.scored) return html`<span data-testid="eta-coverage">No estimate of it has been scored yet</span>`;
  if (coverage.scored < ENOUGH) return html`<span data-testid="eta-coverage">Estimates: ${integer(coverage.scored)} scored, too few to judge them</span>`;
  const title = `The median held for ${percent(coverage.p50)}; right would be 50 %`;
  return html`<span data-testid="eta-coverage" title=${title}
    >Estimates: p90 held for ${percent(coverage.p90)} of the last ${integer(coverage.scored)}</span
  >`;
}
