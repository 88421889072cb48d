// The worker's side of the protocol as a state machine: what it holds, what it has to say next, and what answers mean.
// No I/O and no timers: stream.mjs moves messages, worker.mjs decides when to leave, handlers.mjs runs jobs.
import { randomUUID } from 'node:crypto';
import { seconds } from './contract.mjs';

const RECEIPT_AFTER = 1;
const DEAF_AFTER = 2;
const PROGRESS_EVERY = 0.1;
const STEP_AGAIN = 0.5;
const OUTCOME_AGAIN = [0.2, 0.5, 1, 2, 5];
const MOST_OUTCOMES = 1000;
const MOST_BYTES = 1 << 20;
const TRUST = 0.9; // a tenth is the margin a handler has to notice

export class Session {
  id = randomUUID();
  interval = 10;
  welcomed = false;
  moving = false;
  deaf = false;
  #jobs = new Map(); // `${token} ${job id}` → what is known of a job until its outcome is answered
  #terms = new Map();
  #told = new Map();
  #nextHeartbeat = 0;
  #progressAt = 0;
  #leaving = null;
  #saidGoodbye = false;

  /** `on`: run(key, assignment), cancel(key, reason), stepDone(key, step, status), drain(). */
  constructor(name, queues, kinds, on) {
    Object.assign(this, { name, queues, kinds, on });
  }

  // ---- for the worker ----------------------------------------------------------------------------------------------

  leave(reason) {
    this.#leaving = reason;
  }

  /** Keys of the jobs whose handlers have not ended. */
  get running() {
    return [...this.#jobs].filter(([, job]) => !job.outcome).map(([key]) => key);
  }

  get holdsNothing() {
    return this.#jobs.size === 0;
  }

  /** How soon a lease that is held may end, in seconds; Infinity when none is. */
  get shortestTrust() {
    return Math.min(...[...this.#jobs.values()].map(({ terms }) => Math.min(terms.lease, terms.receipt)));
  }

  progress(key, step) {
    const job = this.#jobs.get(key);
    if (job && !job.outcome) Object.assign(job, { progress: { step }, urgent: true });
  }

  step(key, step) {
    const job = this.#jobs.get(key);
    if (job && !job.outcome) job.step = { step, dueAt: 0, sentAt: null };
    else this.on.stepDone(key, step.name, 'STEP_STATUS_LOST');
  }

  /** How a run ended; what comes after it, or for a lease that is gone, changes nothing. */
  ended(key, result) {
    const job = this.#jobs.get(key);
    if (job && !job.outcome) Object.assign(job, { outcome: result, sent: false, dueAt: 0, tries: 0, step: null, progress: null });
  }

  // ---- for the stream ----------------------------------------------------------------------------------------------

  hello() {
    const { id: session_id, name, kinds } = this;
    return { hello: { session_id, name, kinds, queues: [...this.queues.keys()], held: held(this.#jobs.values()) } };
  }

  /** The next message, or null when there is nothing to say. */
  compose(now) {
    this.#lapse(now);
    if (!this.welcomed) return null;
    const message = {
      capacity: this.#capacity(),
      heartbeat: this.#heartbeat(now),
      reports: this.#reports(now),
      outcomes: this.#outcomes(now),
      goodbye: this.#goodbye(),
    };
    return Object.values(message).some(Boolean) ? message : null;
  }

  receive(message, now) {
    if (message.welcome) this.#welcome(message.welcome, now);
    for (const { job_ids, lease_token, status, detail } of message.outcome_acks?.acks ?? []) {
      for (const job_id of job_ids) this.#outcomeAnswered(`${lease_token} ${job_id}`, status, detail, now);
    }
    for (const ack of message.report_acks?.steps ?? []) this.#stepAck(ack, now);
    for (const status of message.heartbeat_ack?.leases ?? []) this.#status(status, true);
    for (const status of message.cancel?.leases ?? []) this.#status(status, false);
    for (const assignment of message.assignments?.assignments ?? []) this.#assign(assignment, now);
    if (message.drain?.reason === 'operator') this.on.drain();
    else if (message.drain) this.moving = true;
  }

  /** What happens by the passing of time, connected or not. */
  tick(now) {
    this.#lapse(now);
    const tooOld = now - Math.max(this.interval, DEAF_AFTER);
    for (const job of this.#jobs.values()) {
      if (this.welcomed && job.askedAt !== null && job.askedAt < tooOld) this.deaf = true;
      if (job.step?.sentAt < tooOld) job.step.sentAt = null; // not answered: once more
    }
  }

  streamEnded() {
    this.welcomed = this.moving = this.deaf = this.#saidGoodbye = false;
    this.#told.clear();
    for (const job of this.#jobs.values()) {
      job.askedAt = null;
      job.sent = false;
      if (job.step) job.step.sentAt = null;
    }
  }

  // ---- parts of a message ------------------------------------------------------------------------------------------

  #capacity() {
    const stop = this.#leaving !== null || this.moving;
    const changed = [];
    for (const [queue, slots] of this.queues) {
      const jobs = stop ? 0 : slots;
      if ((this.#told.get(queue) ?? (stop ? -1 : 0)) !== jobs) changed.push({ queue, jobs });
      this.#told.set(queue, jobs);
    }
    return changed.length ? { queues: changed } : null;
  }

  #heartbeat(now) {
    let asked = [...this.#jobs.values()];
    const full = now >= this.#nextHeartbeat;
    if (full) this.#nextHeartbeat = now + this.interval * (0.8 + 0.4 * Math.random());
    else asked = asked.filter((job) => !job.outcome && !job.confirmed && job.askedAt === null && now >= job.receiptAt);
    for (const job of asked) job.askedAt ??= now;
    return full || asked.length ? { held: held(asked) } : null;
  }

  #reports(now) {
    const jobs = [...this.#jobs.values()];
    const progress = [];
    const steps = [];
    if (jobs.some((job) => job.urgent) || now - this.#progressAt >= PROGRESS_EVERY) {
      for (const job of jobs.filter((each) => each.progress)) {
        progress.push({ ...job.name, progress: job.progress });
        Object.assign(job, { progress: null, urgent: false });
        this.#progressAt = now;
      }
    }
    let bytes = 0;
    for (const { name, step } of jobs) {
      if (!step || step.sentAt !== null || now < step.dueAt) continue;
      bytes += Buffer.byteLength(step.step.output_json);
      if (steps.length && bytes > MOST_BYTES) break;
      step.sentAt = now;
      steps.push({ ...name, step: step.step });
    }
    return progress.length || steps.length ? { progress, steps } : null;
  }

  #outcomes(now) {
    const outcomes = [];
    let bytes = 0;
    for (const job of this.#jobs.values()) {
      if (!job.outcome || job.sent || now < job.dueAt) continue;
      bytes += Buffer.byteLength(job.outcome.completed?.result_json ?? '') + 200;
      if (outcomes.length && (bytes > MOST_BYTES || outcomes.length === MOST_OUTCOMES)) break;
      job.sent = true;
      const { job_id, lease_token } = job.name;
      outcomes.push({ job_ids: [job_id], lease_token, ...job.outcome }); // one for each run, which is simple
    }
    return outcomes.length ? { outcomes } : null;
  }

  #goodbye() {
    if (this.#leaving === null || this.#saidGoodbye) return null;
    this.#saidGoodbye = true;
    return { reason: this.#leaving };
  }

  // ---- parts of an answer ------------------------------------------------------------------------------------------

  #welcome(welcome, now) {
    this.welcomed = true;
    this.interval = seconds(welcome.heartbeat_interval, 0) || 10;
    this.#nextHeartbeat = now;
    for (const { queue, lease, receipt } of welcome.queues) {
      this.#terms.set(queue, { lease: seconds(lease, 30), receipt: seconds(receipt, 10) });
    }
    for (const status of welcome.leases) this.#status(status, false);
  }

  #assign(assignment, now) {
    const { job_id, lease_token, queue } = assignment;
    const key = `${lease_token} ${job_id}`;
    if (this.#jobs.has(key)) return;
    const terms = this.#terms.get(queue) ?? { lease: 30, receipt: 10 };
    this.#jobs.set(key, {
      name: { job_id, lease_token }, terms, confirmed: false, askedAt: null, outcome: null, step: null, progress: null,
      receiptAt: now + Math.min(RECEIPT_AFTER, terms.receipt / 3),
      trustedUntil: now + TRUST * Math.min(terms.lease, terms.receipt),
    });
    if (this.#leaving === null) this.on.run(key, assignment);
    else this.ended(key, { released: { reason: 'the worker is leaving' } });
  }

  #status({ lease_token, job_id, state }, isAnswer) {
    const key = `${lease_token} ${job_id}`;
    const job = this.#jobs.get(key);
    if (!job) return;
    if (state === 'LEASE_STATE_LOST') {
      this.#lose(key);
      return;
    }
    if (state === 'LEASE_STATE_CANCEL_REQUESTED') this.on.cancel(key, 'requested');
    if (isAnswer && job.askedAt !== null) {
      Object.assign(job, { confirmed: true, trustedUntil: job.askedAt + TRUST * job.terms.lease, askedAt: null });
    }
  }

  #outcomeAnswered(key, status, detail, now) {
    const job = this.#jobs.get(key);
    if (!job?.sent) return;
    if (status === 'OUTCOME_STATUS_RETRY') {
      job.sent = false;
      job.dueAt = now + OUTCOME_AGAIN[Math.min(job.tries++, OUTCOME_AGAIN.length - 1)];
    } else if (status === 'OUTCOME_STATUS_INVALID') {
      // The lease is still held, so the run must end in some way: as failed, or if even that is refused, given back.
      const failed = { error: { code: 'INTERNAL', message: `the outcome was refused: ${detail}`.slice(0, 1000), retryable: false } };
      job.outcome = job.outcome.failed ? { released: { reason: 'its outcome was refused' } } : { failed };
      job.sent = false;
    } else {
      this.#jobs.delete(key);
    }
  }

  #stepAck({ job_id, step, status }, now) {
    for (const [key, job] of this.#jobs) {
      if (job.name.job_id !== job_id || job.step?.step.name !== step || job.step.sentAt === null) continue;
      if (status === 'STEP_STATUS_RETRY') {
        Object.assign(job.step, { sentAt: null, dueAt: now + STEP_AGAIN });
      } else {
        job.step = null;
        this.on.stepDone(key, step, status);
      }
    }
  }

  /** Gives up by itself what was not confirmed in time; a job with an outcome waits for the service's word. */
  #lapse(now) {
    for (const [key, job] of this.#jobs) {
      if (job.outcome || now < job.trustedUntil) continue;
      this.#lose(key);
      this.deaf ||= this.welcomed;
    }
  }

  #lose(key) {
    this.#jobs.delete(key);
    this.on.cancel(key, 'lost');
  }
}

/** Jobs as HeldLeases: those of one token together. */
function held(jobs) {
  const groups = new Map();
  for (const { name } of jobs) groups.set(name.lease_token, [...(groups.get(name.lease_token) ?? []), name.job_id]);
  return [...groups].map(([lease_token, job_ids]) => ({ lease_token, job_ids }));
}
