// Keeps a session connected: one stream at a time, to one address after the other, with full jitter in between.
import { status } from '@grpc/grpc-js';
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonic, openClient, reasonOf } from './contract.mjs';

const WELCOME_WITHIN = 10;
const TICK_MS = 100;
const BASE = 0.2;
const CAP = 30;
const CAP_WITH_STANDBY = 2;
const HEALTHY_AFTER = 10;
const FINAL = new Set([status.UNAUTHENTICATED, status.PERMISSION_DENIED, status.INVALID_ARGUMENT]);
const ELSEWHERE = new Set(['NOT_ACTIVE', 'DRAINING']);

export class Refused extends Error {}

export class Connection {
  #index = 0;
  #failures = 0;
  #skipped = 0;
  #silent = Infinity; // tries in a row that found nobody
  #call = null;
  #writing = false;
  #finishing = false;
  #settle = new AbortController();

  constructor(addresses, token, session) {
    Object.assign(this, { addresses, token, session });
  }

  /** Runs streams until `finish` was called and everything is answered. Throws Refused when it never will be. */
  async run() {
    const ticker = setInterval(() => this.#tick(), TICK_MS);
    try {
      while (!this.#done) {
        const wait = await this.#oneStream();
        if (!this.#done) await sleep(wait * 1000, undefined, { signal: this.#settle.signal }).catch(() => {});
      }
    } finally {
      clearInterval(ticker);
    }
  }

  /** Every run has an outcome: half-closes once each is answered. */
  finish() {
    this.#finishing = true;
    this.wake();
  }

  /** There may be something to say. */
  wake() {
    if (this.#done) this.#settle.abort();
    if (!this.#call || this.#writing) return;
    const message = this.session.compose(monotonic());
    if (message) this.#write(message);
    else if (this.session.welcomed && (this.#done || (this.session.moving && this.session.holdsNothing))) this.#halfClose();
  }

  get #done() {
    return this.#finishing && this.session.holdsNothing;
  }

  async #oneStream() {
    const address = this.addresses[this.#index];
    const started = monotonic();
    const { client, metadata } = openClient(address, this.token);
    const ended = await this.#converse(client.Work(metadata));
    client.close();
    const moved = ended.code === status.OK && this.session.moving;
    this.session.streamEnded();
    console.error(`the stream to ${address} ended: ${status[ended.code]} ${ended.details}`);
    if (FINAL.has(ended.code)) throw new Refused(`${status[ended.code]}: ${ended.details}`);
    return this.#waitAfter(monotonic() - started, moved || ELSEWHERE.has(reasonOf(ended)));
  }

  /** One stream from Hello to its status. */
  #converse(call) {
    return new Promise((resolve) => {
      const impatience = setTimeout(() => call.cancel(), WELCOME_WITHIN * 1000);
      call.on('data', (message) => {
        clearTimeout(impatience);
        this.session.receive(message, monotonic());
        this.wake();
      });
      call.on('error', () => {}); // the status says the same
      call.on('status', (ended) => {
        clearTimeout(impatience);
        this.#call = null;
        resolve(ended);
      });
      this.#call = call;
      this.#write(this.session.hello());
    });
  }

  /** One message after the other: the next is composed when this one has left. */
  #write(message) {
    const call = this.#call;
    this.#writing = true;
    call.write(message, () => {
      if (call !== this.#call) return;
      this.#writing = false;
      this.wake();
    });
  }

  #halfClose() {
    this.#writing = true; // nothing is written after it
    this.#call.end();
  }

  #tick() {
    this.session.tick(monotonic());
    if (this.session.deaf) this.#call?.cancel();
    this.wake();
  }

  /** Seconds to wait before the next stream, to the next address. */
  #waitAfter(lived, elsewhere) {
    this.#index = (this.#index + 1) % this.addresses.length;
    if (lived >= HEALTHY_AFTER) this.#failures = this.#skipped = 0;
    this.#silent = elsewhere ? 0 : this.#silent + 1;
    if (elsewhere && this.#skipped < this.addresses.length - 1) {
      this.#skipped += 1;
      return 0;
    }
    this.#skipped = 0;
    const cap = this.#silent < this.addresses.length ? CAP_WITH_STANDBY : CAP;
    const ceiling = Math.min(cap, BASE * 2 ** this.#failures, this.session.shortestTrust / 3);
    this.#failures += 1;
    return Math.random() * ceiling;
  }
}
