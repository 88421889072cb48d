// Queues: all of them with their numbers, and one (or all together) with its limits, its acts and its trends.
import { html } from "../vendor/preact.js";
import { hrefOf } from "../lib/address.js";
import { useLive } from "../lib/live.js";
import { useRows } from "../lib/rows.js";
import { duration } from "../lib/time.js";
import { integer } from "../lib/words.js";
import { Empty, Failure, Loading } from "../ui/notice.js";
import { QueueControls } from "../ui/queue_controls.js";
import { Coverage, PauseNote } from "../ui/queue_notes.js";
import { QueuePolicy } from "../ui/queue_policy.js";
import { Table } from "../ui/table.js";
import { Trends } from "../ui/trends.js";

export function Queues({ params }) {
  const { queues, error } = useLive();
  const rows = useRows();
  const name = params.get("queue") ?? "";
  const range = params.get("range") ?? "1h";
  const queue = queues?.find((each) => each.name === name);
  return html`
    <h1 tabindex="-1">Queues</h1>
    <${Failure} error=${error} />
    ${!queues && !error && html`<${Loading} lines=${6} label="Loading queues" />`}
    ${queues?.length === 0 && html`<${Empty}>There is no queue yet.<//>`}
    ${queues?.length > 0 &&
    html`<div class="panel flush" ref=${rows}>
      <${Table} label="Queues" columns=${columns(name, range)} rows=${queues} keyOf=${(each) => each.name} look="figures" testid="queues" rowTestid="queue-row" />
    </div>`}
    ${queues && name && !queue && html`<${Empty}>There is no queue called ${name}.<//>`}
    ${queue && html`<${OneQueue} queue=${queue} />`}
    ${queues && html`<${Trends} key=${name} queue=${name} range=${range} />`}
  `;
}

function columns(name, range) {
  return [
    {
      id: "name",
      name: "Queue",
      tone: "lead",
      cell: (queue) => html`<a href=${hrefOf("queues", { queue: queue.name === name ? "" : queue.name, range })} data-row-link
          aria-current=${queue.name === name ? "true" : undefined}>${queue.name}</a>${queue.paused && html` <span class="tag warn">paused</span>`}`,
    },
    { id: "ready", name: "Ready", tone: "num", cell: (queue) => integer(queue.ready) },
    { id: "delayed", name: "Delayed", tone: "num", cell: (queue) => integer(queue.delayed) },
    { id: "running", name: "Running", tone: "num", cell: (queue) => integer(queue.running) },
    {
      id: "limit",
      name: "Limit",
      tone: "num",
      cell: ({ policy, limitOverridden }) => html`${policy.maxRunning == null ? "none" : integer(policy.maxRunning)}${limitOverridden && html` <span class="tag" title="Set by an operator instead of the policy's">set</span>`}`,
    },
    { id: "free", name: "Free capacity", tone: "num", cell: (queue) => integer(queue.freeCapacity) },
    { id: "oldest", name: "Oldest waits", tone: "num", cell: (queue) => duration(queue.oldestReadySeconds) },
    { id: "jobs", name: "Jobs", hidden: true, tone: "acts", cell: (queue) => html`<a class="button small" href=${hrefOf("jobs", { queue: queue.name })} aria-label=${`Jobs of ${queue.name}`}>Jobs</a>` },
  ];
}

function OneQueue({ queue }) {
  return html`<section class="panel" aria-label=${`Queue ${queue.name}`} data-testid="queue-detail">
    <header>
      <h2>${queue.name}</h2>
      <span class="grow faint"><${Coverage} coverage=${queue.etaCoverage} /></span>
      <${QueueControls} key=${queue.name} queue=${queue} />
    </header>
    <${PauseNote} queue=${queue} />
    <${QueuePolicy} queue=${queue} />
  </section>`;
}
