// Retry or cancel everything that a filter chooses: count first, ask with the number, then show how far it is. The number goes
// with the act, which does nothing when the filter has come to choose another.
import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { post, postForLines } from "../lib/api.js";
import { bodyOf } from "../lib/job_filter.js";
import { refreshAll } from "../lib/live.js";
import { integer, plural, STATES } from "../lib/words.js";
import { Dialog } from "./dialog.js";
import { ProgressBar } from "./progress.js";

const WORDS = {
  retry: { verb: "Retry", past: "retried", which: "failed and cancelled" },
  cancel: { verb: "Cancel", past: "cancelled", which: "pending and running" },
};

export function BulkDialog({ act, filter, onClose }) {
  const { verb, which } = WORDS[act];
  const bulk = useBulk(act, filter);
  const { phase, total, share, error } = bulk;
  return html`<${Dialog} title=${`${verb} all that the filter chooses`} onClose=${bulk.leave(onClose)} testid="bulk-dialog">
    ${({ close }) => html`
      <${Described} filter=${filter} />
      ${phase === "counting" && html`<p role="status">Counting the ${which} jobs…</p>`}
      ${phase === "asking" && html`<${Question} act=${act} total=${total} onStart=${bulk.start} close=${close} />`}
      ${share && html`<${Share} act=${act} share=${share} phase=${phase} />`}
      ${error && html`<p class="notice bad" role="alert">${error.message}</p>`}
      ${phase === "running" && html`<div class="buttons"><button type="button" onClick=${bulk.stop}>Stop</button></div>`}
      ${phase === "over" &&
      html`<div class="buttons">
        ${error?.status === 409 && html`<button type="button" onClick=${bulk.count}>Count again</button>`}
        <button type="button" class="primary" onClick=${close}>Close</button>
      </div>`}
    `}
  <//>`;
}

// The act as a little machine: counting → asking → running → over.
function useBulk(act, filter) {
  const [state, setState] = useState({ phase: "counting", total: null, share: null, error: null, reason: "" });
  const stopper = useRef(null);
  const set = (change) => setState((before) => ({ ...before, ...change }));
  const body = { act, filter: bodyOf(filter) };

  const count = async () => {
    set({ phase: "counting", share: null, error: null });
    try {
      const { total } = await post("jobs/bulk", { ...body, dryRun: true });
      set({ phase: "asking", total });
    } catch (error) {
      set({ phase: "over", error });
    }
  };
  const start = async (reason) => {
    stopper.current = new AbortController();
    set({ phase: "running", share: { total: state.total, done: 0, skipped: 0, finished: false } });
    try {
      const order = { ...body, dryRun: false, expectedCount: state.total, ...(reason && { reason }) };
      await postForLines("jobs/bulk", order, (share) => set({ share }), stopper.current.signal);
      set({ phase: "over" });
    } catch (error) {
      const refused = error.status === 409 ? { share: null } : {};
      set({ phase: "over", ...refused, error: error.name === "AbortError" ? new Error("Stopped. What was under way is done.") : error });
    }
    refreshAll();
  };
  const stop = () => stopper.current?.abort();
  const leave = (onClose) => () => (stop(), onClose());
  useEffect(() => void count(), []);
  return { ...state, count, start, stop, leave };
}

function Question({ act, total, onStart, close }) {
  const { verb, which } = WORDS[act];
  const [reason, setReason] = useState("");
  if (total === 0) {
    return html`<p>None of them is ${which.replace(" and ", " or ")}.</p>
      <div class="buttons"><button type="button" class="primary" onClick=${close}>Close</button></div>`;
  }
  const submit = (event) => (event.preventDefault(), onStart(reason.trim()));
  return html`<form onSubmit=${submit}>
    <p>
      This will ${verb.toLowerCase()} <strong data-testid="bulk-count">${plural(total, "job")}</strong>, each as an act of its own, noted in the audit log.
      A job that moves on meanwhile is skipped.
    </p>
    ${act === "cancel" &&
    html`<label class="field">
      <span>Reason <span class="faint">(optional)</span></span>
      <input name="reason" maxlength="255" value=${reason} onInput=${(event) => setReason(event.target.value)} />
    </label>`}
    <div class="buttons">
      <button type="button" onClick=${close}>Leave them</button>
      <button type="submit" class=${act === "cancel" ? "primary danger" : "primary"} autofocus>${verb} ${plural(total, "job")}</button>
    </div>
  </form>`;
}

function Share({ act, share, phase }) {
  const { total, done, skipped } = share;
  const words = `${integer(done)} of ${integer(total)} ${WORDS[act].past}${skipped ? `, ${integer(skipped)} skipped` : ""}`;
  return html`<div class="share">
    <${ProgressBar} value=${done + skipped} max=${total} label="Jobs done" />
    <p role=${phase === "over" ? "status" : undefined} class="num" data-testid="bulk-result">${words}</p>
  </div>`;
}

function Described({ filter }) {
  const named = { ...filter, state: filter.state.map((state) => STATES[state]?.word ?? state) };
  const parts = Object.entries(named).filter(([, value]) => value.length);
  return html`<ul class="described">
    ${parts.map(([name, value]) => html`<li key=${name}><span class="faint">${name}</span> ${[value].flat().join(" or ")}</li>`)}
  </ul>`;
}
