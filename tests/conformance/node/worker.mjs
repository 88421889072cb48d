// The worker under test: wires session, stream and handlers together, and leaves in order.
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { duration } from './contract.mjs';
import { Session } from './session.mjs';
import { Connection, Refused } from './stream.mjs';

const INTERRUPT_GRACE = 5;
const FLUSH_WITHIN = 10;
const KINDS = ['echo', 'fail', 'snooze', 'wait', 'block', 'result', 'steps'].map((kind) => `conform.${kind}`);
const env = (name) => process.env[`CONFORMANCE_${name}`];

const queues = new Map(env('QUEUES').split(',').map((pair) => pair.split('=')).map(([queue, slots]) => [queue, Number(slots)]));
const handlers = new Worker(new URL('./handlers.mjs', import.meta.url));
const tell = (message) => handlers.postMessage(message);
const session = new Session(env('NAME'), queues, KINDS, {
  run: (key, assignment) => tell({ type: 'run', key, assignment }),
  cancel: (key, reason) => tell({ type: 'cancel', key, reason }),
  stepDone: (key, step, status) => tell({ type: 'stepDone', key, step, status }),
  drain: () => leave('drained by an operator'),
});
const connection = new Connection(env('ADDRESSES').split(','), env('TOKEN'), session);
const atOnce = new AbortController();
let leaving = false;

handlers.on('message', ({ type, key, step, name, output_json, seconds, outcome }) => {
  if (type === 'progress') session.progress(key, step);
  if (type === 'step') session.step(key, { name, output_json, duration: duration(seconds) });
  if (type === 'outcome' && outcome) {
    session.ended(key, 'snoozed' in outcome ? { snoozed: { delay: duration(outcome.snoozed) } } : outcome);
  }
  connection.wake();
});

/** Resolves once no handler runs, after so many seconds, or at the signal. */
async function atRest(seconds, signal) {
  const deadline = performance.now() + seconds * 1000;
  while (session.running.length && performance.now() < deadline && !signal?.aborted) await sleep(20);
}

/** The order of a shutdown: no more jobs; let runs finish; interrupt them; release; have everything answered; half-close. */
async function leave(reason) {
  if (leaving) return;
  leaving = true;
  session.leave(reason);
  connection.wake();
  await atRest(Number(env('DRAIN_SECONDS')), atOnce.signal);
  for (const key of session.running) tell({ type: 'cancel', key, reason: 'shutdown' });
  await atRest(INTERRUPT_GRACE);
  for (const key of session.running) session.ended(key, { released: { reason: 'the worker shut down' } });
  connection.finish();
  await sleep(FLUSH_WITHIN * 1000, undefined, { ref: false });
  console.error('not every outcome was answered in time; leases will lapse instead');
  process.exit(0);
}

process.on('SIGTERM', () => {
  if (leaving) atOnce.abort();
  leave('the worker was stopped');
});

try {
  await connection.run();
  process.exit(0);
} catch (error) {
  if (!(error instanceof Refused)) throw error;
  console.error(error.message);
  process.exit(1);
}
