"""Queues and workers as messages of the contract."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice

from jobline.v1 import job_pb2, queue_pb2
from jobline_queue.core.live_job import Lease, LiveJob
from jobline_queue.core.queue_history import QueueHistory
from jobline_queue.core.stored_queue import Pause
from jobline_queue.dispatch.active import ActiveTerm
from jobline_queue.dispatch.dispatcher import Dispatcher
from jobline_queue.dispatch.session import Session
from jobline_queue.rpc import convert

#: Jobs of a worker that are listed.
MOST_HELD = 100


def queue(active: ActiveTerm, name: str) -> queue_pb2.Queue:
    state = active.dispatcher.queue(name)
    first = state.order.first()
    age = active.term.clock.now() - first.run_at if first else None
    sessions = active.dispatcher.sessions.values()
    changes = active.term.changes
    scored, p50, p90 = active.dispatcher.forecast.coverage(name)
    return queue_pb2.Queue(
        policy=convert.queue_policy(state.policy),
        paused=state.paused,
        pause=_pause(state.pause),
        limit_overridden=state.limit is not None,
        change_id=changes.change_id(changes.last_of(name)),
        eta_coverage=queue_pb2.EtaCoverage(scored=scored, p50=p50, p90=p90),
        stats=queue_pb2.QueueStats(
            ready=state.ready,
            delayed=state.delayed,
            running=state.running,
            oldest_ready_age=convert.duration(max(age, 0.0)) if age is not None else None,
            free_capacity=sum(session.room(name) for session in sessions),
        ),
    )


def _pause(pause: Pause | None) -> queue_pb2.Pause | None:
    if pause is None:
        return None
    return queue_pb2.Pause(actor=pause.actor, since=convert.timestamp(pause.since), reason=pause.reason)


def history(row: QueueHistory) -> queue_pb2.QueueHistory:
    return queue_pb2.QueueHistory(
        succeeded=row.succeeded,
        failed=row.failed,
        cancelled=row.cancelled,
        failure_rate=100.0 * row.failed / row.total if row.total else 0.0,
        mean_run_time=convert.duration(row.mean_run_seconds),
        oldest_pending=convert.timestamp(row.oldest_pending),
    )


def worker(session: Session) -> queue_pb2.WorkerInfo:
    lanes = [
        queue_pb2.WorkerQueue(queue=name, capacity=session.capacity.get(name, 0), running=session.held.get(name, 0))
        for name in sorted(session.queues)
    ]
    return queue_pb2.WorkerInfo(
        session_id=session.id,
        name=session.name,
        queues=sorted(session.queues),
        kinds=sorted(session.kinds),
        capacity=sum(session.capacity.values()),
        running=session.holding,
        connected_at=convert.timestamp(session.connected_at),
        last_seen_at=convert.timestamp(session.last_seen_at),
        draining=session.draining,
        lanes=lanes,
    )


def leases_by_session(dispatcher: Dispatcher) -> dict[str, list[Lease]]:
    """The oldest first."""
    found: dict[str, list[Lease]] = {}
    for lease in sorted(dispatcher.leases.values(), key=lambda lease: lease.granted_at):
        found.setdefault(lease.session_id, []).append(lease)
    return found


def held_jobs(leases: Iterable[Lease]) -> list[queue_pb2.HeldJob]:
    """What a session has run the longest; `leases` are its own, the oldest first."""
    jobs = chain.from_iterable(lease.jobs.values() for lease in leases)
    return [_held(job) for job in islice(jobs, MOST_HELD)]


def _held(job: LiveJob) -> queue_pb2.HeldJob:
    progress = job_pb2.Progress(step=job.step, current=job.current, total=job.total, message=job.message)
    return queue_pb2.HeldJob(
        id=job.id,
        queue=job.queue,
        kind=job.kind,
        started_at=convert.timestamp(job.started_at),
        expires_at=convert.timestamp(job.expires_at),
        progress=progress if job.report is not None else None,
        received=job.received,
    )
