// Times on the page: how long ago, with the exact time on hovering and for machines.
import { html } from "../vendor/preact.js";
import { now, useTicking } from "../lib/clock.js";
import { absolute, duration, exact, relative, roughly, timeOfDay } from "../lib/time.js";
import { ETA_REASONS } from "../lib/words.js";

const read = { relative: (at) => relative(at, now()), absolute, time: timeOfDay };

// `as`: "relative", "absolute" or "time" (of the day).
export function Time({ iso, as = "relative" }) {
  const text = useTicking(() => (iso ? read[as](as === "relative" ? Date.parse(iso) : iso) : "–"), [iso, as]);
  return iso ? html`<time datetime=${iso} title=${exact(iso)}>${text}</time>` : html`<span class="none">–</span>`;
}

// How long since `from`, still growing unless `to` is set.
export function Elapsed({ from, to }) {
  const text = useTicking(() => (from ? duration(((to ? Date.parse(to) : now()) - Date.parse(from)) / 1000) : "–"), [from, to]);
  return html`<span>${text}</span>`;
}

// "~40 s, 90 % within 2 min", or why nobody knows.
export function Eta({ eta }) {
  if (!eta) return null;
  if (eta.p50 == null) return html`<span class="faint">no estimate: ${ETA_REASONS[eta.reason] ?? eta.reason}</span>`;
  const title = `As likely sooner as later than ${duration(eta.p50)}; nine of ten end within ${duration(eta.p90)}`;
  return html`<span title=${title} data-testid="eta">~${roughly(eta.p50)} <span class="faint">(90 % within ${roughly(eta.p90)})</span></span>`;
}
