// What an admin does with a queue: pause and resume, and how many jobs may run at once.
import { html, useState } from "../vendor/preact.js";
import { post } from "../lib/api.js";
import { useMe } from "../lib/me.js";
import { integer, plural } from "../lib/words.js";
import { Confirm } from "./confirm.js";

const MOST = 100_000;

export function QueueControls({ queue }) {
  const { canAct } = useMe();
  const [open, setOpen] = useState(null);
  if (!canAct) return null;
  const close = () => setOpen(null);
  const act = queue.paused ? "resume" : "pause";
  return html`<div class="buttons inline">
    <button type="button" onClick=${() => setOpen(act)}>${queue.paused ? "Resume…" : "Pause…"}</button>
    <button type="button" onClick=${() => setOpen("limit")}>Limit…</button>
    ${open === "pause" && html`<${Pause} queue=${queue} onClose=${close} />`}
    ${open === "resume" && html`<${Resume} queue=${queue} onClose=${close} />`}
    ${open === "limit" && html`<${Limit} queue=${queue} onClose=${close} />`}
  </div>`;
}

const send = (queue, act, body) => post(`queues/${encodeURIComponent(queue.name)}/${act}`, body);

const Pause = ({ queue, onClose }) => html`<${Confirm}
  title=${`Pause ${queue.name}?`}
  verb="Pause the queue"
  reason="Reason"
  act=${(reason) => send(queue, "pause", { reason })}
  done=${`${queue.name} is paused`}
  onClose=${onClose}
>
  <p>No job of it starts until it is resumed. ${queue.running > 0 && `${plural(queue.running, "job")} running now will go on to the end.`}</p>
<//>`;

const Resume = ({ queue, onClose }) => html`<${Confirm}
  title=${`Resume ${queue.name}?`}
  verb="Resume the queue"
  act=${() => send(queue, "resume", {})}
  done=${`${queue.name} goes on`}
  onClose=${onClose}
>
  <p>${plural(queue.ready, "job")} ${queue.ready === 1 ? "is" : "are"} ready to start.</p>
<//>`;

function Limit({ queue, onClose }) {
  const [text, setText] = useState(String(queue.policy.maxRunning ?? ""));
  const [reset, setReset] = useState(false);
  const maxRunning = reset ? null : Number(text);
  return html`<${Confirm}
    title=${`How many jobs of ${queue.name} may run at once?`}
    verb="Set the limit"
    act=${() => send(queue, "limit", { maxRunning })}
    done=${reset ? `${queue.name} has its policy's limit again` : `At most ${integer(maxRunning)} of ${queue.name} run at once`}
    onClose=${onClose}
  >
    <p>It holds at once and over restarts, in place of the policy's. Jobs that run already go on.</p>
    <label class="field">
      <span>Limit</span>
      <input type="number" name="limit" min="1" max=${MOST} step="1" required=${!reset} disabled=${reset} value=${text} onInput=${(event) => setText(event.target.value)} />
    </label>
    ${queue.limitOverridden &&
    html`<label class="check"><input type="checkbox" checked=${reset} onChange=${() => setReset(!reset)} /> Back to the policy's limit</label>`}
  <//>`;
}
