// The columns of the job list.
import { html } from "../vendor/preact.js";
import { hrefOf } from "../lib/address.js";
import { integer, shortId } from "../lib/words.js";
import { Badge } from "./badge.js";
import { JobActs } from "./job_acts.js";
import { Progress } from "./progress.js";
import { Elapsed, Eta, Time } from "./times.js";

export function jobColumns(canAct, ask) {
  const acts = { id: "acts", name: "Actions", hidden: true, tone: "acts", cell: (job) => html`<${JobActs} job=${job} ask=${ask} />` };
  return canAct ? [...COLUMNS, acts] : COLUMNS;
}

const COLUMNS = [
  {
    id: "job",
    name: "Job",
    tone: "lead two",
    cell: (job) => html`<a href=${hrefOf("job", { id: job.id })} data-row-link title=${job.kind}>${job.kind}</a>
      <code class="faint" title=${job.id}>${shortId(job.id)}</code>`,
  },
  { id: "state", name: "State", tone: "two", cell: (job) => html`<${Badge} state=${job.state} />` },
  { id: "where", name: "Where", tone: "two mid", cell: (job) => html`<${Where} job=${job} />` },
  {
    id: "queue",
    name: "Queue, owner",
    tone: "two",
    cell: (job) => html`<a class="plain-link" href=${hrefOf("queues", { queue: job.queue })}>${job.queue}</a>
      <span class="faint clip" title=${job.owner}>${job.owner || "no owner"}</span>`,
  },
  { id: "priority", name: "Priority", tone: "num", order: "priority", cell: (job) => job.priority },
  { id: "attempt", name: "Attempts", tone: "num", order: "attempt", cell: (job) => `${job.attempt} / ${job.maxAttempts}` },
  { id: "error", name: "Error", tone: "text two", cell: (job) => html`<${ErrorCell} error=${job.error} />` },
  { id: "created", name: "Created", tone: "when", order: "created", cell: (job) => html`<${Time} iso=${job.createdAt} />` },
  { id: "finished", name: "Finished", tone: "when", order: "finished", cell: (job) => html`<${Time} iso=${job.finishedAt} />` },
];

// Where a job is: in line, on its way, or how long it took.
function Where({ job }) {
  if (job.state === "pending") {
    return html`<span>${job.position > 0 ? html`position <b class="num">${integer(job.position)}</b>` : "in line"}</span>
      <${Eta} eta=${job.eta} />`;
  }
  if (job.state === "running") return html`<${Progress} progress=${job.progress} brief /><${Eta} eta=${job.eta} />`;
  if (!job.startedAt) return html`<span class="faint">never started</span>`;
  return html`<span class="faint">ran <${Elapsed} from=${job.startedAt} to=${job.finishedAt} /></span>`;
}

function ErrorCell({ error }) {
  if (!error) return null;
  return html`<code class="clip">${error.code}</code><span class="faint clip" title=${error.message}>${error.message}</span>`;
}
