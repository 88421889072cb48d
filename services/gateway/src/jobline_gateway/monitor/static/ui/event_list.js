// A list of what happened, in its order.
import { html } from "../vendor/preact.js";
import { Badge } from "./badge.js";
import { Time } from "./times.js";

export function EventList({ events }) {
  if (!events.length) return html`<p class="faint">Nothing has been noted yet.</p>`;
  return html`<ol class="events" data-testid="events">
    ${events.map(
      (event, index) => html`<li key=${index}>
        <${Time} iso=${event.time} as="absolute" />
        <strong>${event.name}</strong>
        ${event.to && event.to !== event.from && html`<${Badge} state=${event.to} past />`}
        <span class="faint">${event.actor}</span>
        ${event.detail && html`<span class="detail">${event.detail}</span>`}
      </li>`,
    )}
  </ol>`;
}
