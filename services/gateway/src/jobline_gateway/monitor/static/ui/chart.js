// A chart over time, drawn by uPlot; its legend tells the figures under the pointer, or the latest. The same figures are in a
// table for whoever does not see it.
import { html, useEffect, useMemo, useRef, useState } from "../vendor/preact.js";
import uPlot from "../vendor/uPlot.js";
import { useShownTheme } from "../lib/theme.js";
import { absolute, timeOfDay } from "../lib/time.js";

const HEIGHT = 168;
const AXIS = 46;
// The least height of an axis of whole numbers, and the distances of its marks.
const FEW = 4;
const WHOLE = Array.from({ length: 9 }, (_, power) => [1, 2, 5].map((each) => each * 10 ** power)).flat();
const DAY = 86_400;

// `times`: seconds since 1970; `series`: [{name, tone, dash?, values}]; `show`: a figure in words. `whole`: figures are
// whole numbers. `group`: charts of the same
// group share the pointer.
export function Chart({ title, times, series, show, whole = false, group }) {
  const box = useRef(null);
  const plot = useRef(null);
  const [at, setAt] = useState(null);
  const theme = useShownTheme();
  const names = series.map(({ name }) => name).join();

  useEffect(() => {
    const element = box.current;
    const made = new uPlot(optionsOf(element, series, { show, whole, group, setAt }), dataOf(times, series), element);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [theme, names]);
  useEffect(() => plot.current.setData(dataOf(times, series)), [times, series]);

  // What is under way may say nothing yet.
  const index = at ?? times.findLastIndex((_, each) => series.some(({ values }) => values[each] != null));
  return html`<figure class="chart" data-testid="chart">
    <figcaption>
      <h3>${title}</h3>
      <span class="faint num">${at === null ? "latest" : timeOfDay(times[index] * 1000)}</span>
    </figcaption>
    <ul class="legend" aria-hidden="true">
      ${series.map(
        ({ name, tone, dash, values }) => html`<li key=${name}>
          <svg class=${`swatch ${tone}`} viewBox="0 0 18 4"><path d="M0 2h18" stroke-dasharray=${dash?.join(" ")} /></svg>
          ${name} <b class="num">${values[index] == null ? "–" : show(values[index])}</b>
        </li>`,
      )}
    </ul>
    <div ref=${box} class="plot" aria-hidden="true"></div>
    <${Figures} title=${title} times=${times} series=${series} show=${show} />
  </figure>`;
}

const dataOf = (times, series) => [times, ...series.map(({ values }) => values)];

// A canvas knows no custom properties, so the colours are read off elements that have them.
function colour(box, tone) {
  const probe = box.appendChild(document.createElement("span"));
  probe.className = `probe ${tone}`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function optionsOf(box, series, { show, whole, group, setAt }) {
  const [text, line] = [colour(box, "axis"), colour(box, "rule")];
  const font = `11px ${getComputedStyle(box).fontFamily}`;
  const axis = { stroke: text, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
  return {
    width: box.clientWidth,
    height: HEIGHT,
    padding: [8, 18, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: group, setSeries: false }, drag: { x: false, y: false }, points: { size: 6 } },
    scales: { y: { range: (_plot, _low, high) => [0, whole ? Math.max(high * 1.08, FEW) : high > 0 ? high * 1.08 : 1] } },
    axes: [
      { ...axis, size: 24, space: 70, values: (plot, ticks) => ticks.map((tick) => tickOf(tick, plot.scales.x)) },
      { ...axis, size: AXIS, space: 32, ...(whole && { incrs: WHOLE }), values: (_plot, ticks) => ticks.map(show) },
    ],
    series: [
      {},
      ...series.map(({ name, tone, dash }) => ({
        label: name,
        stroke: colour(box, tone),
        width: 1.5,
        dash,
        points: { show: false },
      })),
    ],
    hooks: { setCursor: [({ cursor }) => setAt(cursor.left >= 0 ? (cursor.idx ?? null) : null)] },
  };
}

function tickOf(seconds, { min, max }) {
  const text = absolute(seconds * 1000);
  return max - min > 2 * DAY ? text.slice(5, 10) : text.slice(11, 16);
}

function Figures({ title, times, series, show }) {
  const [open, setOpen] = useState(false);
  const rows = useMemo(() => times.map((_, index) => times.length - 1 - index), [times]);
  return html`<details class="figures" onToggle=${(event) => setOpen(event.currentTarget.open)}>
    <summary>Figures<span class="unseen"> of ${title}</span></summary>
    ${open &&
    html`<div class="scroll" tabindex="0" role="region" aria-label=${`Figures of ${title}`}>
      <table class="plain">
        <thead>
          <tr>
            <th scope="col">From</th>
            ${series.map(({ name }) => html`<th key=${name} scope="col" class="num">${name}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (index) => html`<tr key=${times[index]}>
              <th scope="row" class="num">${absolute(times[index] * 1000).slice(0, 16)}</th>
              ${series.map(
                ({ name, values }) => html`<td key=${name} class="num">${values[index] == null ? "–" : show(values[index])}</td>`,
              )}
            </tr>`,
          )}
        </tbody>
      </table>
    </div>`}
  </details>`;
}
