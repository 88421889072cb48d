"""Why a pending job does not run now, from memory, most telling reason first.

Each reason is a word for programs, what it is about (jobs, times, people, numbers), and a sentence that says all of it.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from jobline_queue.core.live_job import LiveJob, Place
from jobline_queue.core.stored_queue import BY_POLICY, Pause
from jobline_queue.dispatch.dispatcher import Dispatcher
from jobline_queue.dispatch.positions import head

#: The most jobs that a reason names.
MOST_NAMED = 10


@dataclass(frozen=True)
class WaitReason:
    """See WaitReason in job_service.proto. Times are epoch seconds."""

    code: str
    detail: str
    job_ids: Sequence[str] = ()
    until: float | None = None
    since: float | None = None
    actor: str = ""
    count: int = 0


def waiting_for(dispatcher: Dispatcher, job: LiveJob) -> list[WaitReason]:
    """Empty for a job that runs."""
    dispatcher.admit_due(dispatcher.clock.now())
    match job.place:
        case Place.HELD_BACK:
            return [
                WaitReason("ROW_LOCKED", "its claim was refused: another session of the database has locked its row")
            ]
        case Place.DELAYED:
            return [_delay(job)]
        case Place.PICKED:
            return [WaitReason("CLAIMING", "it is handed out as soon as the database has stored its claim")]
        case Place.NOWHERE:
            return [WaitReason("CHANGING", "its cancel, its deletion or its expiry is being stored")]
        case Place.DUE:
            found = [
                *_queue_reasons(dispatcher, job),
                *_worker_reasons(dispatcher, job),
                *_place_reasons(dispatcher, job),
            ]
            return found or [WaitReason("NEXT", "nothing holds it back, and the next claim takes it")]
        case _:
            return []


def _delay(job: LiveJob) -> WaitReason:
    if job.attempt:
        return WaitReason(
            "BACKOFF", f"run {job.attempt} failed; the next is due at {_time(job.run_at)}", until=job.run_at
        )
    return WaitReason("DELAYED", f"not due before {_time(job.run_at)}", until=job.run_at)


def _queue_reasons(dispatcher: Dispatcher, job: LiveJob) -> list[WaitReason]:
    state = dispatcher.queue(job.queue)
    found = []
    if state.pause is not None:
        found.append(_pause(job.queue, state.pause))
    most = state.policy.max_running
    if most and state.taken >= most:
        running = _running(dispatcher, job.queue)
        # A successor takes its place before the end of the job that frees it is stored.
        taken = min(state.taken, most)
        detail = f"{taken} of at most {most} jobs are running: {_named(running, taken)}"
        found.append(WaitReason("QUEUE_LIMIT", detail, running, count=most))
    if state.order.key_is_full(job):
        most = state.policy.max_running_per_key
        holders = _running(dispatcher, job.queue, job.key)
        detail = f"key {job.key!r} is held by {_named(holders, most)}; at most {most} of it at once"
        found.append(WaitReason("KEY_LIMIT", detail, holders, count=most))
    now = dispatcher.clock.now()
    if state.rate and (rate := state.policy.rate) and (at := state.rate.next_at(now)) is not None:
        detail = f"{rate.count} jobs were started within the last {rate.period:g} s; the next may start at {_time(at)}"
        found.append(WaitReason("RATE_LIMIT", detail, until=at, count=rate.count))
    return found


def _pause(queue: str, pause: Pause) -> WaitReason:
    if pause == BY_POLICY:
        return WaitReason(
            "QUEUE_PAUSED", f"queue {queue} is paused by its policy until it is resumed", actor=pause.actor
        )
    by = f" by {pause.actor}" if pause.actor else ""
    since = f" since {_time(pause.since)}" if pause.since is not None else ""
    why = f": {pause.reason}" if pause.reason else ""
    return WaitReason("QUEUE_PAUSED", f"queue {queue} is paused{by}{since}{why}", since=pause.since, actor=pause.actor)


def _worker_reasons(dispatcher: Dispatcher, job: LiveJob) -> list[WaitReason]:
    able = [
        session
        for session in dispatcher.sessions.values()
        if session.attached
        and job.queue in session.queues
        and job.kind in session.kinds
        and (session.scope is None or session.scope.covers(job))
    ]
    if not able:
        return [WaitReason("NO_WORKER", f"no connected worker takes kind {job.kind} from queue {job.queue}")]
    if not any(session.room(job.queue) for session in able):
        workers = "connected worker has" if len(able) == 1 else f"{len(able)} connected workers have"
        return [WaitReason("NO_CAPACITY", f"the {workers} no room")]
    return []


def _place_reasons(dispatcher: Dispatcher, job: LiveJob) -> list[WaitReason]:
    before = dispatcher.position(job) - 1
    first = head(dispatcher.queue(job.queue))
    if not before or first is None:
        return []
    jobs = "1 job of the queue is" if before == 1 else f"{before} jobs of the queue are"
    return [WaitReason("BEHIND_OTHERS", f"{jobs} before it, first of all {first.id}", [first.id], count=before)]


def _running(dispatcher: Dispatcher, queue: str, key: str | None = None) -> list[str]:
    """The ids of the jobs that hold a place of the queue, or of a key in it: the oldest runs first, and last what is about to
    start."""
    leased = (job for lease in dispatcher.leases.values() if lease.queue == queue for job in lease.jobs.values())
    holders = [job for job in (*leased, *dispatcher.queue(queue).picked) if key is None or job.key == key]
    return [job.id for job in heapq.nsmallest(MOST_NAMED, holders, key=lambda job: job.started_at or math.inf)]


def _named(ids: Sequence[str], count: int) -> str:
    """`ids` are the first of `count` jobs."""
    more = f" and {count - len(ids)} more" if count > len(ids) else ""
    return f"{'job' if count == 1 else 'jobs'} {', '.join(ids)}{more}"


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
