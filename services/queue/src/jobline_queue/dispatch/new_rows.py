"""New jobs as the dispatcher's memory and as the text that a statement takes: made together, so that they agree.

Two statements store new jobs, whatever ids and idempotency keys exist already, together with leases: `enqueue_jobs.sql`, from
a JSON array, and `enqueue_job.sql`, which is quicker for one. `copy_jobs.sql` takes lines and is for many jobs, see there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from orjson import Fragment

from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.new_job import NewJob, Terms
from jobline_queue.dispatch.dispatcher import Dispatcher
from jobline_queue.dispatch.hooks import HookRegistry
from jobline_queue.store.job_store import Row


@dataclass(slots=True, eq=False)
class Shared:
    """What follows from the terms of a job, for all jobs of a flush that have them."""

    run_at: float
    max_attempts: int
    #: The columns of copy_jobs.sql from `queue` on; empty until the first line.
    columns: str = ""


class NewRows:
    """Makes the jobs of one flush, created at `now`."""

    def __init__(self, dispatcher: Dispatcher, hooks: HookRegistry, now: float) -> None:
        self._dispatcher = dispatcher
        self._hooks = hooks
        self._now = now
        self._shared: dict[tuple[str, Terms], Shared] = {}

    def live(self, job_id: str, new: NewJob, producer: str) -> tuple[LiveJob, Shared]:
        """The job as memory will hold it once it is stored."""
        shared = self._shared.get((producer, new[:8]))
        if shared is None:
            max_attempts = new.max_attempts or self._dispatcher.policy(new.queue).max_attempts
            shared = self._shared[producer, new.terms] = Shared(self._run_at(new), max_attempts)
        queue, kind, owner, priority, _, key, correlation_id, _, _, labels, payload = new
        job = LiveJob(
            job_id, queue, kind, owner, producer, priority, shared.run_at, self._dispatcher.next_seq(), key,
            correlation_id, orjson.dumps(dict(labels)).decode() if labels else "{}", payload, 0, shared.max_attempts, 0,
            self._now,
        )  # fmt: skip
        return job, shared

    def _run_at(self, new: NewJob) -> float:
        if new.run_at is None:
            return self._now
        hooks = self._hooks.of(new.kind)
        return new.run_at if hooks and hooks.keeps_past_times else max(self._now, new.run_at)

    def line(self, job: LiveJob, shared: Shared) -> str:
        """A line for copy_jobs.sql."""
        if not shared.columns:
            now = _time(self._now)
            texts = (job.queue, job.kind, job.owner, job.producer, str(job.priority), _time(job.run_at), job.key,
                     job.correlation_id, str(job.max_attempts), now, now)  # fmt: skip
            shared.columns = "\t".join(map(_escaped, texts))
        payload = _escaped(job.payload or "null")
        return f"{job.id}\t{job.seq}\t{_escaped(job.labels)}\t{payload}\t{shared.columns}\n"


def row(job: LiveJob, key: str | None = None, content: str | None = None) -> Row:
    """The columns for enqueue_job.sql; an idempotency key comes with the hash of the content."""
    return {
        "id": job.id,
        "queue": job.queue,
        "kind": job.kind,
        "owner": job.owner,
        "producer": job.producer,
        "priority": job.priority,
        "run_at": job.run_at,
        "seq": job.seq,
        "concurrency_key": job.key,
        "idempotency_key": key,
        "content_hash": content,
        "correlation_id": job.correlation_id,
        "max_attempts": job.max_attempts,
        "created_at": job.created_at,
        "labels": job.labels,
        "payload": job.payload,
    }


def rows_json(rows: Iterable[Row]) -> str:
    """The array for enqueue_jobs.sql. Labels and payloads are JSON text already."""
    whole = [{**row, "labels": Fragment(row["labels"]), "payload": Fragment(row["payload"])} for row in rows]
    return orjson.dumps(whole).decode()


def _time(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat()


def _escaped(text: str) -> str:
    """Text as COPY reads it: four characters have a meaning there."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
