// Every queue as a card: what waits and runs, how fast it goes, and whether its estimates can be believed.
import { html } from "../vendor/preact.js";
import { get } from "../lib/api.js";
import { hrefOf } from "../lib/address.js";
import { useLive } from "../lib/live.js";
import { useResource } from "../lib/resource.js";
import { duration } from "../lib/time.js";
import { perMinute } from "../lib/trends.js";
import { compact, integer, rate } from "../lib/words.js";
import { Coverage, PauseNote } from "../ui/queue_notes.js";
import { Empty, Failure, Loading } from "../ui/notice.js";
import { Sparkline } from "../ui/sparkline.js";

const LATELY = 5;
const EVERY = 10_000;

export function QueueCards() {
  const { queues, error } = useLive();
  const trends = useResource("trends 1h", (signal) => get("trends", { range: "1h" }, signal), { every: EVERY });
  const byQueue = Object.fromEntries((trends.data?.trends ?? []).map((each) => [each.queue, each]));
  return html`<section aria-label="All queues">
    <h2>All queues</h2>
    <${Failure} error=${error ?? trends.error} />
    ${!queues && !error && html`<${Loading} lines=${6} label="Loading queues" />`}
    ${queues?.length === 0 && html`<${Empty}>There is no queue yet.<//>`}
    <div class="cards">${queues?.map((queue) => html`<${Card} key=${queue.name} queue=${queue} trend=${byQueue[queue.name]} known=${trends.data !== null} />`)}</div>
  </section>`;
}

function Card({ queue, trend, known }) {
  const points = trend?.points ?? [];
  const speeds = points.map((point) => perMinute(point, "succeeded")).filter((each) => each !== null);
  const recent = speeds.slice(-LATELY);
  const speed = recent.length ? recent.reduce((sum, each) => sum + each, 0) / recent.length : known ? 0 : null;
  return html`<article class="card" data-testid="queue-card" data-queue=${queue.name}>
    <h3><a href=${hrefOf("queues", { queue: queue.name })}>${queue.name}</a></h3>
    <dl class="figures-row">
      <${Figure} name="ready" value=${compact(queue.ready)} href=${hrefOf("jobs", { queue: queue.name, state: "pending" })} />
      <${Figure} name="delayed" value=${compact(queue.delayed)} />
      <${Figure} name="running" value=${runningOf(queue)} href=${hrefOf("jobs", { queue: queue.name, state: "running" })} />
    </dl>
    <div class="speed">
      <${Sparkline} values=${speeds} label=${`Completed a minute over the last hour, now ${rate(speed)}`} />
      <span><b class="num">${rate(speed)}</b> <span class="faint">a minute</span></span>
    </div>
    <p class="faint small-text">
      ${queue.oldestReadySeconds == null ? "Nothing waits" : html`Oldest waits ${duration(queue.oldestReadySeconds)}`}
      ${trend?.total.wait && html` · median wait ${duration(trend.total.wait.p50)}, run ${duration(trend.total.run?.p50)}`}
    </p>
    <p class="faint small-text"><${Coverage} coverage=${queue.etaCoverage} /></p>
    <${PauseNote} queue=${queue} />
  </article>`;
}

function runningOf({ running, policy }) {
  if (policy.maxRunning == null) return integer(running);
  return html`${integer(running)}<span class="faint"> / ${integer(policy.maxRunning)}</span>`;
}

function Figure({ name, value, href }) {
  return html`<div>
    <dt>${name}</dt>
    <dd class="num">${href ? html`<a href=${href}>${value}</a>` : value}</dd>
  </div>`;
}
