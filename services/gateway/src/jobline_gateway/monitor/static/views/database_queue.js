// The database queue: its numbers, the age of its oldest pending job, and its recent jobs.
import { html } from "../vendor/preact.js";
import { get } from "../lib/api.js";
import { hrefOf } from "../lib/address.js";
import { useMe } from "../lib/me.js";
import { useResource } from "../lib/resource.js";
import { useRows } from "../lib/rows.js";
import { duration } from "../lib/time.js";
import { integer, mayCancel, shortId, stateOfWord } from "../lib/words.js";
import { Badge } from "../ui/badge.js";
import { JobActs, throughDatabaseQueue, useJobActs } from "../ui/job_acts.js";
import { Empty, Failure, Loading } from "../ui/notice.js";
import { Progress } from "../ui/progress.js";
import { Table } from "../ui/table.js";
import { Elapsed, Time } from "../ui/times.js";

const QUEUES = ["ingestion", "vectorization"];
const NUMBERS = { pending: ["pending"], processing: ["running"], completed: ["succeeded"], failed: ["failed", "cancelled"] };

// What `recentJobs` has, under the names that the rest of the page uses.
const jobOf = (recent) => ({ ...recent, kind: recent.jobType, state: stateOfWord(recent.status) });

export function DatabaseQueue() {
  const { canAct } = useMe();
  const { data, error } = useResource("stats", (signal) => get("/api/admin/queue/stats", {}, signal));
  const { ask, dialog } = useJobActs(throughDatabaseQueue);
  const jobs = data?.recentJobs.map(jobOf) ?? [];
  const askById = (act) => (id) => ask(act, jobs.find((job) => job.id === id));
  const rows = useRows({ r: askById("retry"), c: askById("cancel") });

  return html`<section class="panel" aria-label="Database queue" data-testid="database-queue">
    <header>
      <h2>Database queue</h2>
      <${Oldest} job=${data?.oldestPendingJob} known=${data !== null} />
    </header>
    <${Failure} error=${error} />
    <${Numbers} stats=${data?.queueStats} />
    ${!data && !error && html`<${Loading} lines=${8} label="Loading recent jobs" />`}
    ${data && !jobs.length && html`<${Empty}>No job has been loaded or embedded lately.<//>`}
    ${jobs.length > 0 &&
    html`<div ref=${rows}>
      <${Table} label="Recent jobs" columns=${columns(canAct, ask)} rows=${jobs} keyOf=${(job) => job.id} testid="recent-jobs" rowTestid="recent-job" />
    </div>`}
    ${dialog}
  </section>`;
}

function Oldest({ job, known }) {
  if (!known) return null;
  if (!job) return html`<p class="faint" data-testid="oldest-pending">nothing is pending</p>`;
  return html`<p class="faint" data-testid="oldest-pending">
    oldest pending job: <a href=${hrefOf("job", { id: job.id })}>${duration(job.ageMinutes * 60).replace("0\u202fs", "under 1\u202fmin")}</a>
  </p>`;
}

function Numbers({ stats }) {
  return html`<ul class="numbers">
    ${Object.entries(NUMBERS).map(
      ([name, states]) => html`<li key=${name} data-testid=${`stat-${name}`}>
        <a href=${hrefOf("jobs", { queue: QUEUES, state: states })}>
          <b class="num">${stats ? integer(stats[name]) : "\u2007"}</b>
          <${Badge} state=${states[0]} past=${!stats?.[name]} />
        </a>
      </li>`,
    )}
  </ul>`;
}

const errorOf = ({ result }) => (result && typeof result === "object" ? (result.error ?? result.lastError) : null);

function columns(canAct, ask) {
  const shown = [
    {
      id: "type",
      name: "Type",
      tone: "lead",
      cell: (job) => html`<a href=${hrefOf("job", { id: job.id })} data-row-link>${job.jobType}</a> <code class="faint">${shortId(job.id)}</code>`,
    },
    { id: "status", name: "Status", cell: (job) => html`<${Badge} state=${job.state} />` },
    { id: "attempts", name: "Attempts", tone: "num", cell: (job) => `${job.attempts} / ${job.maxAttempts}` },
    { id: "progress", name: "Progress", tone: "mid", cell: (job) => html`<${Progress} progress=${job.progress && { step: "", ...job.progress }} over=${!mayCancel(job.state)} />` },
    { id: "error", name: "Error", tone: "text", cell: (job) => html`<${ErrorText} text=${errorOf(job)} />` },
    { id: "created", name: "Created", tone: "when", cell: (job) => html`<${Time} iso=${job.createdAt} />` },
    {
      id: "took",
      name: "Took",
      tone: "num",
      cell: (job) => (job.startedAt ? html`<${Elapsed} from=${job.startedAt} to=${job.completedAt} />` : html`<span class="none">–</span>`),
    },
  ];
  const acts = { id: "acts", name: "Actions", hidden: true, tone: "acts", cell: (job) => html`<${JobActs} job=${job} ask=${ask} />` };
  return canAct ? [...shown, acts] : shown;
}

const ErrorText = ({ text }) => (text ? html`<span class="clip bad" title=${text}>${String(text)}</span>` : null);
