// The audit log: what was done to jobs, queues and workers, by whom, newest first.
import { html, useRef } from "../vendor/preact.js";
import { get } from "../lib/api.js";
import { hrefOf, navigate, valuesOf } from "../lib/address.js";
import { useLive } from "../lib/live.js";
import { useResource } from "../lib/resource.js";
import { useRows } from "../lib/rows.js";
import { plural, shortId } from "../lib/words.js";
import { Badge } from "../ui/badge.js";
import { Filters } from "../ui/filters.js";
import { TextField } from "../ui/text_field.js";
import { Empty, Failure, Loading } from "../ui/notice.js";
import { Pager } from "../ui/pager.js";
import { Table } from "../ui/table.js";
import { Time } from "../ui/times.js";

const LIMIT = 50;
const ACTS = ["cancelled", "cancel_requested", "retried", "deleted", "bulk_retried", "bulk_cancelled", "paused", "resumed", "limit_changed", "drained"];

export function Audit({ params }) {
  const [queue, actor, name, cursor] = ["queue", "actor", "name", "cursor"].map((each) => params.get(each) ?? "");
  const withSystem = params.get("withSystem") === "true";
  const query = { queue, actor, name, withSystem, cursor, limit: LIMIT };
  const { data, error, stale } = useResource(`audit ${params}`, (signal) => get("events", query, signal));
  const rows = useRows();
  const change = (values) => navigate(hrefOf("audit", { ...valuesOf(params), cursor: "", ...values }));
  const events = (data?.events ?? []).map((event, index) => ({ ...event, key: `${event.time} ${event.name} ${event.jobId ?? index}` }));
  return html`
    <h1 tabindex="-1">Audit log</h1>
    <${AuditFilters} queue=${queue} actor=${actor} name=${name} withSystem=${withSystem} onChange=${change} />
    <${Failure} error=${error} />
    ${!data && !error && html`<${Loading} lines=${12} label="Loading the audit log" />`}
    ${data && !events.length && html`<${Empty}>Nothing has been done that matches.<//>`}
    ${events.length > 0 &&
    html`<div class="panel flush" ref=${rows}>
      <${Table} label="Audit log" columns=${COLUMNS} rows=${events} keyOf=${(event) => event.key} stale=${stale} testid="audit" rowTestid="audit-row" />
    </div>`}
    <${Pager} cursor=${cursor} next=${data?.nextCursor} shown=${plural(events.length, "act")} hrefFor=${(to) => hrefOf("audit", { ...valuesOf(params), cursor: to })} />
  `;
}

function AuditFilters({ queue, actor, name, withSystem, onChange }) {
  const { queues } = useLive();
  const first = useRef(null);
  const queueNames = [...new Set([...(queues ?? []).map((each) => each.name), queue].filter(Boolean))];
  return html`<${Filters} label="Filter the audit log" first=${first}>
    <div class="fields">
      <${TextField} input=${first} name="actor" label="Actor" value=${actor} placeholder="user:…" onChange=${onChange} />
      <${Select} name="name" label="Act" value=${name} values=${[...new Set([...ACTS, name].filter(Boolean))]} onChange=${onChange} />
      <${Select} name="queue" label="Queue" value=${queue} values=${queueNames} onChange=${onChange} />
      <label class="check">
        <input type="checkbox" checked=${withSystem} onChange=${() => onChange({ withSystem: withSystem ? "" : "true" })} /> also what the service did by itself
      </label>
    </div>
  <//>`;
}

function Select({ name, label, value, values, onChange }) {
  return html`<label class="field">
    <span>${label}</span>
    <select name=${name} value=${value} onChange=${(event) => onChange({ [name]: event.target.value })}>
      <option value="">any</option>
      ${values.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}
    </select>
  </label>`;
}

const COLUMNS = [
  { id: "time", name: "Time", tone: "when", cell: (event) => html`<${Time} iso=${event.time} as="absolute" />` },
  { id: "act", name: "Act", tone: "lead", cell: (event) => html`<strong>${event.name}</strong>` },
  { id: "actor", name: "Actor", cell: (event) => html`<span class="clip" title=${event.actor}>${event.actor}</span>` },
  {
    id: "subject",
    name: "On",
    cell: (event) =>
      event.jobId
        ? html`<a href=${hrefOf("job", { id: event.jobId })} data-row-link><code>${shortId(event.jobId)}</code></a>`
        : event.queue && html`<a href=${hrefOf("queues", { queue: event.queue })} data-row-link>${event.queue}</a>`,
  },
  { id: "queue", name: "Queue", cell: (event) => event.jobId && event.queue },
  { id: "change", name: "Now", cell: (event) => event.to && event.to !== event.from && html`<${Badge} state=${event.to} past />` },
  { id: "detail", name: "Detail", tone: "text", cell: (event) => event.detail },
];
