// The plain facts about a job, as a list of names and values.
import { html } from "../vendor/preact.js";
import { hrefOf } from "../lib/address.js";
import { Elapsed, Time } from "./times.js";

export function JobFacts({ job }) {
  const when = (iso) => html`<${Time} iso=${iso} as="absolute" /> <span class="faint"><${Time} iso=${iso} /></span>`;
  const facts = [
    ["Queue", html`<a href=${hrefOf("queues", { queue: job.queue })}>${job.queue}</a>`],
    ["Owner", job.owner && html`<a href=${hrefOf("jobs", { owner: job.owner })}>${job.owner}</a>`],
    ["Priority", String(job.priority)],
    ["Attempts", `${job.attempt} of ${job.maxAttempts}`],
    ["Created", when(job.createdAt)],
    ["Due", job.runAt && job.state === "pending" && when(job.runAt)],
    ["Started", job.startedAt && when(job.startedAt)],
    ["Finished", job.finishedAt && when(job.finishedAt)],
    ["Last run took", job.startedAt && job.finishedAt && html`<${Elapsed} from=${job.startedAt} to=${job.finishedAt} />`],
    ["Worker", job.lease && html`<a href=${hrefOf("workers")}>${job.lease.worker}</a>`],
    ["Lease", job.lease && html`ends <${Time} iso=${job.lease.expiresAt} />${job.lease.received ? "" : ", not received yet"}`],
    ["Key", job.concurrencyKey && html`<code>${job.concurrencyKey}</code>`],
    ["Correlation", job.correlationId && html`<code>${job.correlationId}</code>`],
    ["Labels", Object.keys(job.labels).length > 0 && html`<${Labels} labels=${job.labels} />`],
  ];
  return html`<dl class="facts" data-testid="facts">
    ${facts
      .filter(([, value]) => value)
      .map(
        ([name, value]) => html`<div key=${name}>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
      )}
  </dl>`;
}

const Labels = ({ labels }) => Object.entries(labels).map(([key, value]) => html`<span class="label" key=${key}>${key}=${value}</span> `);
