// The first view: the database queue as its description asks for it, then every queue of the system.
import { html } from "../vendor/preact.js";
import { DatabaseQueue } from "./database_queue.js";
import { QueueCards } from "./queue_cards.js";

export function Overview() {
  return html`
    <h1 tabindex="-1">Overview</h1>
    <${DatabaseQueue} />
    <${QueueCards} />
  `;
}
