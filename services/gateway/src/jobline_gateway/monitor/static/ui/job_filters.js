// The filter of the job list. A change goes into the address at once; a field of text when it is left or Enter is pressed.
import { html, useRef } from "../vendor/preact.js";
import { hrefOf } from "../lib/address.js";
import { now } from "../lib/clock.js";
import { isEmpty } from "../lib/job_filter.js";
import { useLive } from "../lib/live.js";
import { fromLocalInput, toLocalInput } from "../lib/time.js";
import { STATES } from "../lib/words.js";
import { Filters } from "./filters.js";
import { TextField } from "./text_field.js";

const ORDERS = { created: "created", updated: "updated", finished: "finished", runAt: "due", priority: "priority", attempt: "attempts" };
const HOUR = 3_600_000;
const LATELY = { "last hour": HOUR, "last 24 hours": 24 * HOUR, "last 7 days": 7 * 24 * HOUR };

export function JobFilters({ filter, order, dir, onChange }) {
  const { queues } = useLive();
  const first = useRef(null);
  const toggle = (name, value) => () =>
    onChange({ [name]: filter[name].includes(value) ? filter[name].filter((each) => each !== value) : [...filter[name], value] });
  const names = [...new Set([...(queues ?? []).map(({ name }) => name), ...filter.queue])];

  return html`<${Filters} label="Filter jobs" first=${first}>
    <${Choices} legend="State">
      ${Object.entries(STATES).map(
        ([state, { word, tone }]) => html`<${Choice} key=${state} tone=${tone} word=${word} on=${filter.state.includes(state)} onChange=${toggle("state", state)} />`,
      )}
    <//>
    <${Choices} legend="Queue">
      ${names.map((name) => html`<${Choice} key=${name} word=${name} on=${filter.queue.includes(name)} onChange=${toggle("queue", name)} />`)}
    <//>
    <div class="fields">
      <${TextField} input=${first} name="kind" label="Kind" value=${filter.kind} onChange=${onChange} />
      <${TextField} name="owner" label="Owner" value=${filter.owner} placeholder="user:…" onChange=${onChange} />
      <${TextField} name="error" label="Error" value=${filter.error} placeholder="code or words" onChange=${onChange} />
      <${Times} filter=${filter} onChange=${onChange} />
      <label class="field">
        <span>Sort by</span>
        <span class="pair">
          <select value=${order} onChange=${(event) => onChange({ order: event.target.value })}>
            ${Object.entries(ORDERS).map(([value, word]) => html`<option key=${value} value=${value}>${word}</option>`)}
          </select>
          <button type="button" aria-label=${dir === "asc" ? "Ascending; switch to descending" : "Descending; switch to ascending"}
            onClick=${() => onChange({ dir: dir === "asc" ? "desc" : "asc" })}>${dir === "asc" ? "↑" : "↓"}</button>
        </span>
      </label>
      ${!isEmpty(filter) && html`<a class="button quiet" href=${hrefOf("jobs", { order, dir })} data-testid="clear-filters">Clear</a>`}
    </div>
  <//>`;
}

const Choices = ({ legend, children }) => html`<fieldset class="choices">
  <legend>${legend}</legend>
  ${children}
</fieldset>`;

const Choice = ({ word, tone, on, onChange }) => html`<label class=${`choice ${tone ?? ""}`}>
  <input type="checkbox" checked=${on} onChange=${onChange} />
  ${tone && html`<span class="sign" aria-hidden="true"></span>`}${word}
</label>`;

function Times({ filter, onChange }) {
  const { createdAfter, createdBefore } = filter;
  const since = (span) => onChange({ createdAfter: span ? new Date(now() - span).toISOString() : "", createdBefore: "" });
  const set = (name) => (event) => onChange({ [name]: fromLocalInput(event.target.value) });
  return html`<label class="field">
      <span>Created</span>
      <select value=${createdAfter || createdBefore ? "set" : ""} onChange=${(event) => event.target.value !== "set" && since(LATELY[event.target.value])}>
        <option value="">at any time</option>
        ${Object.keys(LATELY).map((word) => html`<option key=${word} value=${word}>${word}</option>`)}
        <option value="set" disabled>as set here</option>
      </select>
    </label>
    <label class="field">
      <span>From</span>
      <input name="createdAfter" type="datetime-local" value=${toLocalInput(createdAfter)} onChange=${set("createdAfter")} />
    </label>
    <label class="field">
      <span>Until</span>
      <input name="createdBefore" type="datetime-local" value=${toLocalInput(createdBefore)} onChange=${set("createdBefore")} />
    </label>`;
}
