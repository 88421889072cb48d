// A job's history: what was done to it, and between that its runs. No page here.

// Events of one form, oldest first: {time, name, from, to, actor, detail}.
export function timelineOf(job, attempts, events) {
  const born = events.some(({ name }) => name === "enqueued") ? [] : [{ time: job.createdAt, name: "enqueued", to: "pending", actor: job.owner, detail: "" }];
  return [...born, ...events, ...attempts.flatMap(runOf)].toSorted((one, other) => Date.parse(one.time) - Date.parse(other.time));
}

function runOf({ number, worker, startedAt, finishedAt, outcome, error }) {
  const begun = { time: startedAt, name: "started", to: "running", actor: worker, detail: `run ${number}` };
  if (!finishedAt) return [begun];
  const detail = [`run ${number}`, error && `${error.code}: ${error.message}`].filter(Boolean).join(" · ");
  return [begun, { time: finishedAt, name: (outcome ?? "ended").replace("_", " "), to: null, actor: worker, detail }];
}
