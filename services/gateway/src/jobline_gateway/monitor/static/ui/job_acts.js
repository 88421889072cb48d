// Retry and cancel of one job: for admins, each after a question.
import { html, useState } from "../vendor/preact.js";
import { post } from "../lib/api.js";
import { useMe } from "../lib/me.js";
import { mayCancel, mayRetry, shortId } from "../lib/words.js";
import { Confirm } from "./confirm.js";

const VERBS = { retry: "Retry", cancel: "Cancel" };
const DONE = { retry: "will run again", cancel: "is cancelled, or stops at its next chance" };

const throughMonitor = (act, job, reason) => post(`jobs/${job.id}/${act}`, act === "cancel" ? { reason } : {});

// The database queue has its own ways, which put its own words into a job's result.
export const throughDatabaseQueue = (act, job) => post(`/api/admin/queue/${act}`, undefined, { jobId: job.id });

// Gives {ask(act, job), dialog}: what a key or a button calls, and what is to be shown somewhere. `job`: {id, kind, state}.
export function useJobActs(send = throughMonitor) {
  const { canAct } = useMe();
  const [asked, setAsked] = useState(null);
  const ask = (act, job) => {
    const allowed = job && canAct && (act === "retry" ? mayRetry(job.state) : mayCancel(job.state));
    if (allowed) setAsked({ act, job });
  };
  return { ask, dialog: asked && question(asked, send, () => setAsked(null)) };
}

function question({ act, job }, send, onClose) {
  const reasoned = act === "cancel" && send === throughMonitor;
  return html`<${Confirm}
    key=${job.id}
    title=${`${VERBS[act]} this job?`}
    verb=${`${VERBS[act]} the job`}
    danger=${act === "cancel"}
    reason=${reasoned && "Reason"}
    act=${(reason) => send(act, job, reason)}
    done=${`${job.kind} ${shortId(job.id)} ${DONE[act]}`}
    onClose=${onClose}
  >
    <p><strong>${job.kind}</strong> <code>${job.id}</code></p>
    <p class="faint">
      ${act === "retry" ? "It runs again with its original payload, with all its attempts." : "It ends without a result; what it has done stays done."}
    </p>
  <//>`;
}

export function JobActs({ job, ask }) {
  const { canAct } = useMe();
  if (!canAct) return null;
  const button = (act) => html`<button
    type="button"
    class=${act === "cancel" ? "small danger" : "small"}
    aria-label=${`${VERBS[act]} ${job.kind} ${shortId(job.id)}`}
    onClick=${() => ask(act, job)}
  >
    ${VERBS[act]}
  </button>`;
  return html`${mayRetry(job.state) && button("retry")}${mayCancel(job.state) && button("cancel")}`;
}
