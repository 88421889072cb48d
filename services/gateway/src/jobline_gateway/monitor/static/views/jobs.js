// Every job: filtered, sorted, page by page, and acted on all at once. The filter lives in the address.
import { html, useState } from "../vendor/preact.js";
import { addressOf, get } from "../lib/api.js";
import { hrefOf, navigate, valuesOf } from "../lib/address.js";
import { filterOf, isEmpty } from "../lib/job_filter.js";
import { useMe } from "../lib/me.js";
import { useResource } from "../lib/resource.js";
import { useRows } from "../lib/rows.js";
import { integer, mayCancel, mayRetry, plural } from "../lib/words.js";
import { BulkDialog } from "../ui/bulk_dialog.js";
import { useJobActs } from "../ui/job_acts.js";
import { jobColumns } from "../ui/job_columns.js";
import { JobFilters } from "../ui/job_filters.js";
import { Empty, Failure, Loading } from "../ui/notice.js";
import { Pager } from "../ui/pager.js";
import { Table } from "../ui/table.js";

const LIMIT = 50;
const MOST_IN_CSV = 100_000;
const UNCOUNTED = { 422: "Too many to count" };

export function Jobs({ params }) {
  const { canAct } = useMe();
  const filter = filterOf(params);
  const [order, dir, cursor] = [params.get("order") ?? "created", params.get("dir") ?? "desc", params.get("cursor") ?? ""];
  const query = { ...filter, order, dir };
  const list = useResource(`jobs ${params}`, (signal) => get("jobs", { ...query, cursor, limit: LIMIT }, signal));
  const count = useResource(`count ${JSON.stringify(filter)}`, (signal) => get("jobs/count", filter, signal));
  const { ask, dialog } = useJobActs();
  const jobs = list.data?.jobs ?? [];
  const askById = (act) => (id) => ask(act, jobs.find((job) => job.id === id));
  const rows = useRows({ r: askById("retry"), c: askById("cancel") });

  // Any other filter or order begins on the first page.
  const change = (values) => navigate(hrefOf("jobs", { ...valuesOf(params), cursor: "", ...values }));
  const sort = { order, dir, href: (by, way) => hrefOf("jobs", { ...filter, order: by, dir: way }) };

  return html`
    <h1 tabindex="-1">Jobs</h1>
    <${JobFilters} filter=${filter} order=${order} dir=${dir} onChange=${change} />
    <${Chosen} count=${count} filter=${filter} query=${query} canAct=${canAct} />
    <${Failure} error=${list.error} />
    ${!list.data && !list.error && html`<${Loading} lines=${12} label="Loading jobs" />`}
    ${list.data && !jobs.length && html`<${Empty}>${isEmpty(filter) ? "There is no job yet." : "No job matches this filter."}<//>`}
    ${jobs.length > 0 &&
    html`<div class="panel flush" ref=${rows}>
      <${Table}
        label="Jobs"
        columns=${jobColumns(canAct, ask)}
        rows=${jobs}
        keyOf=${(job) => job.id}
        sort=${sort}
        stale=${list.stale}
        testid="jobs"
        rowTestid="job-row"
      />
    </div>`}
    <${Pager}
      cursor=${cursor}
      next=${list.data?.nextCursor}
      shown=${plural(jobs.length, "job")}
      hrefFor=${(to) => hrefOf("jobs", { ...valuesOf(params), cursor: to })}
    />
    ${dialog}
  `;
}

// How many the filter chooses, and what can be done with all of them.
function Chosen({ count, filter, query, canAct }) {
  const [bulk, setBulk] = useState(null);
  const states = Object.entries(count.data?.states ?? {});
  const sum = (test) => states.reduce((total, [state, number]) => total + (test(state) ? number : 0), 0);
  const known = count.data && !count.stale;
  return html`<div class="chosen" data-testid="chosen">
    <p aria-live="off">
      <strong class="num" data-testid="count">${known ? plural(count.data.count, "job") : count.error ? UNCOUNTED[count.error.status] ?? "Not counted" : "Counting…"}</strong>
    </p>
    ${canAct &&
    html`<${BulkButton} act="retry" number=${known ? sum(mayRetry) : 0} blocked=${isEmpty(filter)} onClick=${() => setBulk({ act: "retry", filter })} />
      <${BulkButton} act="cancel" number=${known ? sum(mayCancel) : 0} blocked=${isEmpty(filter)} onClick=${() => setBulk({ act: "cancel", filter })} />`}
    ${known && count.data.count > MOST_IN_CSV
      ? html`<span class="faint">CSV: at most ${integer(MOST_IN_CSV)} jobs</span>`
      : html`<a class="button" href=${addressOf("jobs.csv", query)} download="jobs.csv" data-testid="csv">Download CSV</a>`}
    ${bulk && html`<${BulkDialog} act=${bulk.act} filter=${bulk.filter} onClose=${() => setBulk(null)} />`}
  </div>`;
}

function BulkButton({ act, number, blocked, onClick }) {
  const verb = act === "retry" ? "Retry" : "Cancel";
  const hint = blocked ? "Set a filter first: this acts on exactly the jobs that it chooses" : undefined;
  return html`<button
    type="button"
    class=${act === "cancel" ? "danger" : undefined}
    disabled=${blocked || number === 0}
    title=${hint}
    data-testid=${`bulk-${act}`}
    onClick=${onClick}
  >
    ${blocked || !number ? `${verb} all…` : `${verb} these ${integer(number)}…`}
  </button>`;
}
