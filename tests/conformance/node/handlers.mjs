// The conformance kinds, in a thread of their own: a handler that blocks it must not keep the session from its heartbeats.
import { appendFileSync, existsSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { setTimeout as sleep } from 'node:timers/promises';

const STEPS = ['one', 'two', 'three'];
const runs = new Map(); // key → Run

class Stopped extends Error {}

class Failure extends Error {
  constructor(code, message, retryable) {
    super(message);
    Object.assign(this, { code, retryable });
  }
}

class Snooze extends Error {
  constructor(delay) {
    super(`put off for ${delay} s`);
    this.delay = delay;
  }
}

class Run {
  cancelled = null; // the reason: requested, lost, shutdown
  stepDone = null;

  constructor(key, assignment) {
    Object.assign(this, { key, assignment, attempt: assignment.attempt });
  }

  journal(event, detail = '') {
    const { job_id: job, attempt, kind } = this.assignment;
    const line = JSON.stringify({ event, job, attempt, kind, at: Date.now() / 1000, detail });
    appendFileSync(process.env.CONFORMANCE_JOURNAL, `${line}\n`);
  }

  boundary() {
    if (this.cancelled) throw new Stopped();
  }

  async gate(path) {
    while (path && !existsSync(path)) {
      this.boundary();
      await sleep(20);
    }
  }

  /** Resolves with the answer's status once the output is stored, or cannot be. */
  store(name, output, seconds) {
    parentPort.postMessage({ type: 'step', key: this.key, name, output_json: JSON.stringify(output), seconds });
    return new Promise((resolve) => {
      this.stepDone = resolve;
    });
  }
}

const kinds = {
  'conform.echo': async (run, payload) => ({ echo: payload, attempt: run.attempt }),

  'conform.fail': async (run, { until = Infinity, retryable = false, code = 'TOLD_TO' }) => {
    if (run.attempt < until) throw new Failure(code, 'told to fail', retryable);
    return { attempt: run.attempt };
  },

  'conform.snooze': async (run, { gate, delay }) => {
    if (!existsSync(gate)) throw new Snooze(delay);
    return { attempt: run.attempt };
  },

  'conform.wait': async (run, { gate }) => {
    await run.gate(gate);
    return { attempt: run.attempt };
  },

  'conform.block': async (run, { seconds }) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000);
    return { attempt: run.attempt };
  },

  'conform.result': async (run, { nul, bytes }) => (nul ? '\0' : 'x'.repeat(bytes)),

  'conform.steps': async (run, { gates = {} }) => {
    const steps = Object.fromEntries(run.assignment.finished_steps.map((step) => [step.name, JSON.parse(step.output_json)]));
    for (const name of STEPS.filter((each) => !(each in steps))) {
      run.boundary();
      const began = performance.now();
      parentPort.postMessage({ type: 'progress', key: run.key, step: name });
      run.journal('step', name);
      await run.gate(gates[name]);
      steps[name] = { step: name, attempt: run.attempt };
      const status = await run.store(name, steps[name], (performance.now() - began) / 1000);
      if (status === 'STEP_STATUS_LOST') throw new Stopped();
    }
    run.boundary();
    return { steps };
  },
};

/** The outcome of a run; null where nothing is to be said. */
async function outcomeOf(run) {
  try {
    const payload = parse(run.assignment.payload_json);
    const result = await kinds[run.assignment.kind](run, payload);
    run.journal('finish', 'completed');
    return { completed: { result_json: JSON.stringify(result) } };
  } catch (error) {
    return stopped(run, error) ?? failed(run, error);
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Failure('INVALID_PAYLOAD', 'the payload is not JSON', false);
  }
}

function stopped(run, error) {
  if (!(error instanceof Stopped)) return null;
  run.journal('cancel', run.cancelled ?? 'lost');
  if (run.cancelled === 'requested') return { cancelled: {} };
  return { released: run.cancelled === 'shutdown' ? { reason: 'the worker shut down' } : null };
}

function failed(run, error) {
  if (error instanceof Snooze) {
    run.journal('finish', 'snoozed');
    return { snoozed: error.delay };
  }
  run.journal('finish', 'failed');
  const { code = 'INTERNAL', message, retryable = true } = error;
  return { failed: { error: { code, message, retryable } } };
}

parentPort.on('message', async ({ type, key, assignment, reason, status }) => {
  const run = type === 'run' ? new Run(key, assignment) : runs.get(key);
  if (type === 'run') {
    runs.set(key, run);
    run.journal('start');
    const outcome = await outcomeOf(run);
    runs.delete(key);
    parentPort.postMessage({ type: 'outcome', key, outcome });
  } else if (run && type === 'cancel') {
    // A lost lease overrules a politer reason; a step that waits for its answer will get none.
    if (!run.cancelled || reason === 'lost') run.cancelled = reason;
    if (reason === 'lost') run.stepDone?.('STEP_STATUS_LOST');
  } else if (run && type === 'stepDone') {
    run.stepDone?.(status);
  }
});
