// Workers: who is connected, how busy each is, and what it holds since when.
import { html, useState } from "../vendor/preact.js";
import { get, post } from "../lib/api.js";
import { hrefOf } from "../lib/address.js";
import { useMe } from "../lib/me.js";
import { useResource } from "../lib/resource.js";
import { useRows } from "../lib/rows.js";
import { integer, percent, plural, shortId } from "../lib/words.js";
import { Confirm } from "../ui/confirm.js";
import { Empty, Failure, Loading } from "../ui/notice.js";
import { Progress, ProgressBar } from "../ui/progress.js";
import { Table } from "../ui/table.js";
import { Elapsed, Time } from "../ui/times.js";

export function Workers() {
  const { data, error } = useResource("workers", (signal) => get("workers", {}, signal));
  const [drained, setDrained] = useState(null);
  const rows = useRows();
  const workers = data?.workers ?? [];
  const running = workers.reduce((sum, worker) => sum + worker.running, 0);
  const capacity = workers.reduce((sum, worker) => sum + worker.capacity, 0);
  return html`
    <h1 tabindex="-1">Workers</h1>
    <${Failure} error=${error} />
    ${!data && !error && html`<${Loading} lines=${8} label="Loading workers" />`}
    ${data && !workers.length && html`<${Empty}>No worker is connected, so no job starts.<//>`}
    ${workers.length > 0 && html`<p class="lede">${plural(workers.length, "worker")}, ${integer(running)} of ${integer(capacity)} slots in use.</p>`}
    <div ref=${rows} class="stack">
      ${workers.map((worker) => html`<${Worker} key=${worker.sessionId} worker=${worker} onDrain=${() => setDrained(worker)} />`)}
    </div>
    ${drained && html`<${Drain} worker=${drained} onClose=${() => setDrained(null)} />`}
  `;
}

function Worker({ worker, onDrain }) {
  const { canAct } = useMe();
  return html`<article class="panel" aria-label=${`Worker ${worker.name}`} data-testid="worker" data-session=${worker.sessionId}>
    <header>
      <h2>${worker.name}</h2>
      <code class="faint" title=${worker.sessionId}>${shortId(worker.sessionId)}</code>
      ${worker.draining && html`<span class="tag warn">draining</span>`}
      <span class="grow"></span>
      ${canAct && !worker.draining && html`<button type="button" class="small" aria-label=${`Drain ${worker.name}`} onClick=${onDrain}>Drain…</button>`}
    </header>
    <div class="load" data-testid="load">
      <${ProgressBar} value=${worker.running} max=${worker.capacity} label=${`Slots of ${worker.name} in use`} />
      <span class="num">${integer(worker.running)} of ${integer(worker.capacity)} slots${worker.capacity > 0 && html` <span class="faint">${percent(worker.running / worker.capacity)}</span>`}</span>
      <span class="faint">connected <${Time} iso=${worker.connectedAt} /> · last heard of <${Time} iso=${worker.lastSeenAt} /></span>
    </div>
    <ul class="lanes" aria-label="Queues that it takes">
      ${worker.lanes.map(
        (lane) => html`<li key=${lane.queue}>
          <a href=${hrefOf("queues", { queue: lane.queue })}>${lane.queue}</a> <span class="num">${integer(lane.running)}</span
          ><span class="faint num"> / ${integer(lane.capacity)}</span>
        </li>`,
      )}
    </ul>
    ${worker.kinds.length > 0 && html`<p class="faint small-text">kinds: ${worker.kinds.join(", ")}</p>`}
    ${worker.jobs.length === 0
      ? html`<p class="faint">It holds no job.</p>`
      : html`<${Table} label=${`Jobs that ${worker.name} holds`} columns=${COLUMNS} rows=${worker.jobs} keyOf=${(job) => job.id} look="even" testid="held-jobs" rowTestid="held-job" />`}
  </article>`;
}

const COLUMNS = [
  {
    id: "job",
    name: "Job",
    tone: "lead",
    cell: (job) => html`<a href=${hrefOf("job", { id: job.id })} data-row-link>${job.kind}</a> <code class="faint">${shortId(job.id)}</code>`,
  },
  { id: "queue", name: "Queue", cell: (job) => job.queue },
  { id: "progress", name: "Progress", tone: "mid", cell: (job) => html`<${Progress} progress=${job.progress} />` },
  { id: "held", name: "Held for", tone: "num", cell: (job) => html`<${Elapsed} from=${job.startedAt} />` },
  {
    id: "lease",
    name: "Lease ends",
    tone: "when",
    cell: (job) => html`<${Time} iso=${job.expiresAt} />${!job.received && html` <span class="tag">not received yet</span>`}`,
  },
];

const Drain = ({ worker, onClose }) => html`<${Confirm}
  title=${`Drain ${worker.name}?`}
  verb="Drain the worker"
  act=${() => post(`workers/${worker.sessionId}/drain`, {})}
  done=${`${worker.name} takes no more jobs`}
  onClose=${onClose}
>
  <p>It takes no more jobs, ends those it holds, and leaves. ${worker.running > 0 && `It holds ${plural(worker.running, "job")} now.`}</p>
<//>`;
