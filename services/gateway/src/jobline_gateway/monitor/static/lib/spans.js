// From a job's runs and steps to bars on one line of time. No page here. Times in milliseconds.

const at = (iso) => (iso ? Date.parse(iso) : null);

// {from, to, rows: [{id, name, kind, from, to, note, level}]}, oldest first; `kind`: wait, run or step, or how a run ended.
export function spansOf(job, attempts, steps, present) {
  const rows = [];
  let free = at(job.createdAt);
  for (const attempt of attempts.toSorted((one, other) => one.number - other.number || at(one.startedAt) - at(other.startedAt))) {
    const [from, to] = [at(attempt.startedAt), at(attempt.finishedAt) ?? present];
    if (from > free) rows.push({ id: `wait ${rows.length}`, name: "waiting", kind: "wait", from: free, to: from, note: "", level: 0 });
    rows.push({ id: `run ${attempt.startedAt}`, name: `run ${attempt.number}`, kind: attempt.outcome ?? "running", from, to, note: noteOf(attempt), level: 0 });
    const done = stepsOf(attempt, steps, from, to);
    rows.push(...done, ...unfinished(attempt, job, done, from, to));
    free = to;
  }
  if (job.state === "pending") rows.push({ id: "waiting", name: "waiting", kind: "wait", from: free, to: present, note: "", level: 0 });
  if (job.state === "running" && !attempts.length) {
    rows.push({ id: "run", name: `run ${job.attempt}`, kind: "running", from: at(job.startedAt), to: present, note: "", level: 0 });
  }
  const from = Math.min(...rows.map((row) => row.from));
  const to = Math.max(...rows.map((row) => row.to));
  return { from, to, rows };
}

function noteOf({ worker, error, outcome }) {
  return [worker, error ? error.code : outcome].filter(Boolean).join(" · ");
}

function stepsOf(attempt, steps, from, to) {
  return steps
    .filter((step) => step.attempt === attempt.number && step.finishedAt && at(step.finishedAt) >= from && at(step.finishedAt) <= to + 1000)
    .map((step) => {
      const end = Math.min(at(step.finishedAt), to);
      const begin = Math.max(from, end - (step.seconds ?? 0) * 1000);
      return { id: `step ${attempt.startedAt} ${step.name}`, name: step.name, kind: "step", from: begin, to: end, note: "", level: 1 };
    })
    .toSorted((one, other) => one.from - other.from);
}

// The step that the run was in when it ended, or is in now: it left no output, so it is what comes behind the others.
function unfinished({ step, startedAt, outcome }, job, done, from, to) {
  const name = step ?? (outcome ? null : job.progress?.step);
  const begin = done.at(-1)?.to ?? from;
  if (!name || done.some((each) => each.name === name) || begin >= to) return [];
  return [{ id: `open ${startedAt}`, name, kind: outcome ? "step stopped" : "step", from: begin, to, note: "", level: 1 }];
}

// Round marks for a line of time of so many milliseconds: offsets from its begin.
export function marksOf(length, most = 6) {
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 216e5, 432e5, 864e5];
  const step = steps.find((each) => length / each <= most) ?? Math.ceil(length / most / 864e5) * 864e5;
  return Array.from({ length: Math.floor(length / step) + 1 }, (_, index) => index * step);
}
