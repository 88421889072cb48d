// One job: what it is, where it stands and why, what it did, what went in and came out.
import { html } from "../vendor/preact.js";
import { get } from "../lib/api.js";
import { hrefOf } from "../lib/address.js";
import { useKeys } from "../lib/keys.js";
import { useResource } from "../lib/resource.js";
import { timelineOf } from "../lib/timeline.js";
import { integer } from "../lib/words.js";
import { Badge } from "../ui/badge.js";
import { Command, CopyButton } from "../ui/copy.js";
import { EventList } from "../ui/event_list.js";
import { JobActs, useJobActs } from "../ui/job_acts.js";
import { JobFacts } from "../ui/job_facts.js";
import { JsonTree } from "../ui/json_tree.js";
import { Empty, Failure, Loading } from "../ui/notice.js";
import { Progress } from "../ui/progress.js";
import { Eta } from "../ui/times.js";
import { Waiting } from "../ui/waiting.js";
import { Waterfall } from "../ui/waterfall.js";

export function JobView({ params }) {
  const id = params.get("id") ?? "";
  const { data, error, stale } = useResource(`job ${id}`, (signal) => get(`jobs/${encodeURIComponent(id)}`, {}, signal));
  const { ask, dialog } = useJobActs();
  const job = stale ? null : data?.job;
  useKeys({ r: () => (ask("retry", job), true), c: () => (ask("cancel", job), true) });

  return html`
    <nav class="crumbs" aria-label="Breadcrumb"><a href=${hrefOf("jobs")}>Jobs</a>${job && html` / <a href=${hrefOf("jobs", { queue: job.queue })}>${job.queue}</a>`}</nav>
    <header class="title">
      <h1 tabindex="-1">${job?.kind ?? "Job"}</h1>
      ${job && html`<${Badge} state=${job.state} />`}
      <span class="grow"></span>
      ${job && html`<${JobActs} job=${job} ask=${ask} />`}
    </header>
    <p class="id"><code data-testid="job-id">${id}</code> <${CopyButton} text=${id} label="Copy the job's id" /></p>
    <${Failure} error=${error} />
    ${(stale || !data) && !error && html`<${Loading} lines=${14} label="Loading the job" />`}
    ${job && html`<${Story} story=${data} />`}
    ${!stale && data && !data.job && html`<${Removed} events=${data.events} />`}
    ${dialog}
  `;
}

function Removed({ events }) {
  return html`<${Empty}>This job has been removed. Its history is kept.<//>
    <section class="panel" aria-label="History"><h2>History</h2><${EventList} events=${events} /></section>`;
}

function Story({ story }) {
  const { job, attempts, steps, events, waitingFor, commands } = story;
  return html`
    <${Waiting} job=${job} reasons=${waitingFor} />
    ${job.state === "running" && html`<${Running} job=${job} />`}
    ${job.error && html`<${ErrorPanel} job=${job} />`}
    <section class="panel" aria-label="Facts"><${JobFacts} job=${job} /></section>
    <section class="panel" aria-label="Runs and steps">
      <h2>Runs and steps</h2>
      <${Waterfall} job=${job} attempts=${attempts} steps=${steps} />
    </section>
    <div class="columns">
      <${Json} title="Payload" text=${job.payloadJson} note=${job.inputItems ? `and an input of ${integer(job.inputItems)} values, read in parts` : ""} />
      <${Json} title="Result" text=${job.resultJson} none=${job.state === "running" || job.state === "pending" ? "None yet." : "None."} />
    </div>
    <${Outputs} steps=${steps} />
    <section class="panel" aria-label="History">
      <h2>History</h2>
      <${EventList} events=${timelineOf(job, attempts, events)} />
    </section>
    <section class="panel" aria-label="In a terminal" data-testid="commands">
      <h2>In a terminal</h2>
      ${Object.entries(commands).map(([name, text]) => html`<${Command} key=${name} name=${name} text=${text} />`)}
    </section>
  `;
}

function Running({ job }) {
  return html`<section class="panel slim" aria-label="Progress" data-testid="progress">
    <${Progress} progress=${job.progress} />
    ${!job.progress && html`<span class="faint">It has told nothing of its progress yet.</span>`}
    <${Eta} eta=${job.eta} />
    ${job.cancelRequestedAt && html`<span class="bad">asked to stop; it has not stopped yet</span>`}
  </section>`;
}

function ErrorPanel({ job }) {
  const { code, message, retryable } = job.error;
  return html`<section class="panel error" aria-label="Error" data-testid="error">
    <h2>${job.state === "failed" ? "Failed" : "Its last run failed"} <code>${code}</code></h2>
    <p class="message">${message}</p>
    <p class="faint">${retryable ? "A later run may succeed." : "Another run would fail the same way."}</p>
  </section>`;
}

function Json({ title, text, none = "None.", note = "" }) {
  return html`<section class="panel" aria-label=${title} data-testid=${title.toLowerCase()}>
    <header>
      <h2>${title}</h2>
      ${note && html`<span class="faint">${note}</span>`}
      ${text && html`<${CopyButton} text=${text} label=${`Copy the ${title.toLowerCase()}`} />`}
    </header>
    ${text ? html`<${JsonTree} text=${text} label=${title} />` : html`<p class="faint">${none}</p>`}
  </section>`;
}

function Outputs({ steps }) {
  const told = steps.filter(({ outputJson }) => outputJson);
  if (!told.length) return null;
  return html`<section class="panel" aria-label="Outputs of steps" data-testid="step-outputs">
    <h2>Outputs of steps</h2>
    ${told.map(
      ({ name, attempt, outputJson }) => html`<details class="output" key=${`${attempt} ${name}`}>
        <summary><strong>${name}</strong> <span class="faint">run ${attempt}</span></summary>
        <${JsonTree} text=${outputJson} label=${`Output of ${name}`} />
      </details>`,
    )}
  </section>`;
}
