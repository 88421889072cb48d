// What the gateway tells by itself: the queues whenever one has changed. `beat` counts up with each of them, and every five
// seconds in any case, so that what was read otherwise is read again; `acts` counts what was done here, after which everything
// is read at once. A hidden page rests.
import { useEffect, useState } from "../vendor/preact.js";
import { get, STREAM } from "./api.js";
import { setServerTime } from "./clock.js";

const EVERY = 5000;

const listeners = new Set();
let known = { queues: null, mode: "connecting", error: null, beat: 0, acts: 0 };
let source = null;
let asking = false;

function update(change) {
  known = { ...known, ...change };
  for (const tell of listeners) tell(known);
}

function takeQueues({ queues, now }) {
  setServerTime(now);
  update({ queues, error: null, beat: known.beat + 1 });
}

function listen() {
  source?.close();
  source = new EventSource(STREAM);
  source.addEventListener("open", () => update({ mode: "live" }));
  source.addEventListener("queues", (event) => takeQueues(JSON.parse(event.data)));
  source.addEventListener("error", () => update({ mode: "polling" }));
}

// Asks for the queues where the stream tells nothing: it is down, or what lies in between keeps it back.
async function poll() {
  if (asking) return;
  asking = true;
  try {
    takeQueues(await get("queues"));
    if (source.readyState !== EventSource.OPEN) update({ mode: "polling" });
  } catch (error) {
    update({ error, mode: error.status === 0 ? "lost" : "polling", beat: known.beat + 1 });
  } finally {
    asking = false;
  }
}

function tick() {
  if (document.hidden) return;
  if (source.readyState === EventSource.CLOSED) listen();
  if (source.readyState === EventSource.OPEN && known.queues) update({ beat: known.beat + 1 });
  else poll();
}

export function startLive() {
  listen();
  setInterval(tick, EVERY);
  document.addEventListener("visibilitychange", tick);
}

// Reads everything again now: after an act of one's own.
export function refreshAll() {
  update({ acts: known.acts + 1 });
  poll();
}

export function useLive() {
  const [state, setState] = useState(known);
  useEffect(() => {
    listeners.add(setState);
    setState(known);
    return () => listeners.delete(setState);
  }, []);
  return state;
}
