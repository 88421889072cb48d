// A job's runs and steps on one line of time, and the waiting between them. Bars are drawn by attributes of SVG, which a strict
// Content-Security-Policy allows; the same is said in words beside each.
import { html } from "../vendor/preact.js";
import { now, useTicking } from "../lib/clock.js";
import { marksOf, spansOf } from "../lib/spans.js";
import { absolute, duration, roughly } from "../lib/time.js";

const LEAST = 0.3;

export function Waterfall({ job, attempts, steps }) {
  const ended = job.finishedAt !== null;
  const present = useTicking(() => (ended ? Date.parse(job.finishedAt) : Math.floor(now() / 1000) * 1000), [ended, job.finishedAt]);
  const { from, to, rows } = spansOf(job, attempts, steps, present);
  if (!rows.length) return html`<p class="faint">It never ran.</p>`;
  const length = Math.max(to - from, 1);
  const share = (time) => ((time - from) / length) * 100;
  return html`<div class="waterfall" data-testid="waterfall">
    <div class="scale" aria-hidden="true">
      <svg height="16" width="100%">
        ${marksOf(length).map(
          (offset) => html`<text key=${offset} x=${`${share(from + offset)}%`} y="12" text-anchor=${offset ? "middle" : "start"}>${offset ? roughly(offset / 1000) : "0"}</text>`,
        )}
      </svg>
    </div>
    <ol>
      ${rows.map((row) => html`<${Row} key=${row.id} row=${row} share=${share} marks=${marksOf(length).map((offset) => share(from + offset))} />`)}
    </ol>
  </div>`;
}

function Row({ row, share, marks }) {
  const took = duration((row.to - row.from) / 1000);
  const left = share(row.from);
  const title = `${row.name}: ${absolute(row.from)} – ${absolute(row.to)}`;
  return html`<li class=${`level-${row.level}`} data-kind=${row.kind}>
    <span class="name" title=${title}>${row.name}</span>
    <svg class="bar" height="20" width="100%" aria-hidden="true">
      ${marks.map((x) => html`<line key=${x} class="mark" x1=${`${x}%`} x2=${`${x}%`} y1="0" y2="20" />`)}
      <rect class=${row.kind} x=${`${left}%`} y=${row.level ? 6 : 4} width=${`${Math.max(share(row.to) - left, LEAST)}%`} height=${row.level ? 8 : 12} rx="2" />
    </svg>
    <span class="took num">${took}</span>
    <span class="note faint clip" title=${row.note}>${row.note}</span>
  </li>`;
}
