"""Why a pending job does not run now, from memory, most telling reason first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from jobline_queue.core.live_job import LiveJob, Place
from jobline_queue.dispatch.dispatcher import Dispatcher


@dataclass(frozen=True)
class WaitReason:
    code: str
    detail: str


def waiting_for(dispatcher: Dispatcher, job: LiveJob) -> list[WaitReason]:
    """Empty for a job that runs."""
    if job in dispatcher.held_back:
        return [WaitReason("ROW_LOCKED", "its claim was refused: another session of the database has locked its row")]
    if job.place is Place.DELAYED:
        at = datetime.fromtimestamp(job.run_at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        if job.attempt:
            return [WaitReason("BACKOFF", f"run {job.attempt} failed; the next is due at {at}")]
        return [WaitReason("DELAYED", f"not due before {at}")]
    if job.place is Place.PICKED:
        return [WaitReason("CLAIMING", "it is handed out as soon as the database has stored its claim")]
    if job.place is Place.NOWHERE:
        return [WaitReason("CHANGING", "its cancel, its deletion or its expiry is being stored")]
    if job.place is not Place.DUE:
        return []
    found = [*_queue_reasons(dispatcher, job), *_worker_reasons(dispatcher, job), *_place_reasons(dispatcher, job)]
    return found or [WaitReason("NEXT", "nothing holds it back, and the next claim takes it")]


def _queue_reasons(dispatcher: Dispatcher, job: LiveJob) -> list[WaitReason]:
    state = dispatcher.queue(job.queue)
    policy = state.policy
    found = []
    if state.paused:
        found.append(WaitReason("QUEUE_PAUSED", f"queue {job.queue} is paused"))
    if policy.max_running and state.running >= policy.max_running:
        found.append(WaitReason("QUEUE_LIMIT", f"{state.running} of at most {policy.max_running} jobs are running"))
    if state.order.key_is_full(job):
        limit = policy.max_running_per_key
        found.append(WaitReason("KEY_LIMIT", f"{limit} of at most {limit} jobs of key {job.key!r} are running"))
    if state.rate and policy.rate and not state.rate.available(dispatcher.clock.now()):
        rate = policy.rate
        found.append(WaitReason("RATE_LIMIT", f"{rate.count} jobs were started within the last {rate.period:g} s"))
    return found


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
        return [WaitReason("NO_CAPACITY", f"the {len(able)} connected workers have no room")]
    return []


def _place_reasons(dispatcher: Dispatcher, job: LiveJob) -> list[WaitReason]:
    before = dispatcher.position(job) - 1
    return [WaitReason("BEHIND_OTHERS", f"{before} jobs of the queue are before it")] if before else []
