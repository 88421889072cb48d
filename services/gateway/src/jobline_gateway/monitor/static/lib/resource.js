// Something read from the gateway and kept fresh: again after every beat, but never two at once, and never so often that more
// than a tenth of the time goes into it; a beat that comes too early is made up for. What was read stays on the screen while it
// is read again, and when that fails.
import { useEffect, useRef, useState } from "../vendor/preact.js";
import { useLive } from "./live.js";

const SHARE = 10;
const EMPTY = { key: null, data: null, error: null };

// `key`: says what is read; another key is another thing. `read(signal)` gives a promise. `every`: milliseconds between reads.
// Gives {data, error, stale}: stale data belongs to the key before.
export function useResource(key, read, { every = 0 } = {}) {
  const { beat, acts } = useLive();
  const [state, setState] = useState(EMPTY);
  const [turn, setTurn] = useState(0);
  const run = useRef({ key: null, acts, busy: false, missed: false, next: 0, stop: null }).current;

  useEffect(() => () => run.stop?.abort(), []);

  useEffect(() => {
    const changed = run.key !== key || run.acts !== acts;
    if (key === null) return undefined;
    if (!changed && run.busy) {
      run.missed = true;
      return undefined;
    }
    const rest = run.next - performance.now();
    if (!changed && rest > 0) {
      const timer = setTimeout(() => setTurn(turn + 1), rest);
      return () => clearTimeout(timer);
    }
    if (changed) run.stop?.abort();
    const stop = new AbortController();
    Object.assign(run, { key, acts, busy: true, missed: false, stop });
    const started = performance.now();
    const settle = (result) => {
      if (stop.signal.aborted) return;
      run.busy = false;
      run.next = started + Math.max(every, SHARE * (performance.now() - started));
      setState((before) => ({ key, data: before.key === key ? before.data : null, ...result }));
      if (run.missed) setTurn((before) => before + 1);
    };
    read(stop.signal).then(
      (data) => settle({ data, error: null }),
      (error) => settle({ error }),
    );
    return undefined;
  }, [key, beat, acts, turn]);

  return { data: state.data, error: state.key === key ? state.error : null, stale: state.key !== key };
}
