// What a queue did over the last hour, day or week: depth, throughput, waits, runs, and what failed.
import { html, useMemo } from "../vendor/preact.js";
import { get } from "../lib/api.js";
import { hrefOf } from "../lib/address.js";
import { useResource } from "../lib/resource.js";
import { duration, roughly } from "../lib/time.js";
import { endedRuns, failureShare, perMinute } from "../lib/trends.js";
import { compact, finePercent, integer, rate } from "../lib/words.js";
import { Chart } from "./chart.js";
import { Empty, Failure, Loading } from "./notice.js";

const RANGES = { "1h": "1 hour", "24h": "24 hours", "7d": "7 days" };
const EVERY = { "1h": 10_000, "24h": 60_000, "7d": 300_000 };
const DASHES = [undefined, [6, 3], [2, 3], [8, 3, 2, 3]];

const line = (name, tone, at, read) => ({ name, tone, dash: DASHES[at], read });
const quantile = (set, name, tone, at) => line(name, tone, at, (point) => point[set]?.[name] ?? null);
const QUANTILES = (set) => [quantile(set, "p50", "blue", 0), quantile(set, "p90", "yellow", 1), quantile(set, "p99", "red", 2)];
const speed = (name, tone, at, field) => line(name, tone, at, (point) => perMinute(point, field));

const CHARTS = [
  { title: "Depth", show: compact, whole: true, lines: ["ready", "delayed", "running"].map((field, at) => line(field, ["yellow", "grey", "blue"][at], at, (point) => point[field])) },
  {
    title: "Throughput a minute",
    show: rate,
    lines: [speed("completed", "green", 0, "succeeded"), speed("failed", "red", 1, "failed"), speed("retried", "yellow", 2, "retried"), speed("enqueued", "grey", 3, "enqueued")],
  },
  { title: "Wait from due to start", show: roughly, lines: QUANTILES("wait") },
  { title: "Run from start to end", show: roughly, lines: QUANTILES("run") },
];

export function Trends({ queue, range }) {
  const { data, error } = useResource(`trends ${queue} ${range}`, (signal) => get("trends", { queue, range }, signal), { every: EVERY[range] });
  const trend = data?.trends.find((each) => each.queue === queue);
  return html`<section class="panel" aria-label="Trends" data-testid="trends">
    <header>
      <h2>Trends <span class="faint">${queue || "of all queues together"}</span></h2>
      <nav class="segments" aria-label="Range of the trends">
        ${Object.entries(RANGES).map(
          ([key, words]) => html`<a key=${key} href=${hrefOf("queues", { queue, range: key })} aria-current=${key === range ? "true" : undefined}>${words}</a>`,
        )}
      </nav>
    </header>
    <${Failure} error=${error} />
    ${!data && !error && html`<${Loading} lines=${14} label="Loading trends" />`}
    ${data && !trend?.points.length && html`<${Empty}>Nothing happened in this time.<//>`}
    ${trend?.points.length > 0 && html`<${Charts} trend=${trend} group=${`${queue} ${range}`} /><${Failures} trend=${trend} queue=${queue} />`}
  </section>`;
}

function Charts({ trend, group }) {
  const { points, total } = trend;
  const times = useMemo(() => points.map(({ time }) => Date.parse(time) / 1000), [points]);
  const charts = useMemo(() => CHARTS.map((chart) => ({ ...chart, series: chart.lines.map((each) => ({ ...each, values: points.map(each.read) })) })), [points]);
  return html`<p class="totals">
      <span><b class="num">${integer(total.enqueued)}</b> enqueued</span>
      <span><b class="num">${integer(total.succeeded)}</b> completed</span>
      <span><b class="num">${integer(total.failed)}</b> failed</span>
      <span><b class="num">${integer(total.retried)}</b> retried</span>
      <span><b class="num">${integer(total.cancelled)}</b> cancelled</span>
      ${total.wait && html`<span>median wait <b class="num">${duration(total.wait.p50)}</b></span>`}
      ${total.run && html`<span>median run <b class="num">${duration(total.run.p50)}</b></span>`}
    </p>
    <div class="charts">
      ${charts.map(({ title, show, whole, series }) => html`<${Chart} key=${title} title=${title} times=${times} series=${series} show=${show} whole=${whole} group=${group} />`)}
    </div>`;
}

// Runs that ended with each error code, as a share of all runs that ended.
function Failures({ trend, queue }) {
  const { errors, total } = trend;
  const share = failureShare(total);
  const ended = endedRuns(total);
  return html`<div class="failures" data-testid="failures">
    <h3>Failures by code <span class="faint">${share === null ? "no run has ended" : `${finePercent(share)} of ${integer(ended)} runs`}</span></h3>
    ${errors.length === 0 && html`<p class="faint">None.</p>`}
    ${errors.length > 0 &&
    html`<table class="plain bars">
      <thead class="unseen">
        <tr>
          <th scope="col">Code</th>
          <th scope="col">Share of the failures</th>
          <th scope="col">Runs</th>
          <th scope="col">Failure rate</th>
        </tr>
      </thead>
      <tbody>
        ${errors.map(
          ({ code, count }) => html`<tr key=${code}>
            <th scope="row"><a href=${hrefOf("jobs", { queue, error: code })}><code>${code}</code></a></th>
            <td class="grow"><progress value=${count} max=${errors[0].count} aria-label=${`Runs that ended with ${code}`}></progress></td>
            <td class="num">${integer(count)}</td>
            <td class="num faint">${ended ? finePercent(count / ended) : "–"}</td>
          </tr>`,
        )}
      </tbody>
    </table>`}
  </div>`;
}
