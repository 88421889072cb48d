// A queue's policy in words.
import { html } from "../vendor/preact.js";
import { duration } from "../lib/time.js";
import { integer } from "../lib/words.js";

const CANCEL = { now: "at once", boundary: "at the next step", pending_only: "only while pending" };
const ORDER = { fifo: "first in, first out", fair: "fair between owners" };

export function QueuePolicy({ queue }) {
  const { policy, limitOverridden } = queue;
  const facts = [
    ["Run at once", policy.maxRunning == null ? "no limit" : `${integer(policy.maxRunning)}${limitOverridden ? ", set by an operator" : ""}`],
    ["With one key", policy.maxRunningPerKey == null ? "no limit" : integer(policy.maxRunningPerKey)],
    ["Rate", policy.rate ? `${integer(policy.rate.count)} in ${duration(policy.rate.seconds)}` : "no limit"],
    ["Order", ORDER[policy.order] ?? policy.order],
    ["Attempts", integer(policy.maxAttempts)],
    ["Time-out", policy.timeoutSeconds == null ? "none" : duration(policy.timeoutSeconds)],
    ["Cancel of a run", CANCEL[policy.cancel] ?? policy.cancel],
    ["Lease", duration(policy.leaseSeconds)],
    ["Jobs expire", policy.expiresAfterSeconds == null ? "never" : `after ${duration(policy.expiresAfterSeconds)}`],
    ["Ended jobs stay", policy.retentionSeconds == null ? "until deleted" : duration(policy.retentionSeconds)],
  ];
  return html`<dl class="facts" data-testid="policy">
    ${facts.map(
      ([name, value]) => html`<div key=${name}>
        <dt>${name}</dt>
        <dd>${value}</dd>
      </div>`,
    )}
  </dl>`;
}
