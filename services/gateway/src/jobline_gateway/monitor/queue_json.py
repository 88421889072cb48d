"""Between the queue service's messages about queues and workers and the monitor's JSON."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from jobline.v1 import queue_pb2
from jobline_gateway.monitor import schemas
from jobline_gateway.monitor.job_json import progress
from jobline_gateway.monitor.reading import seconds_of, time_of, word_of

__all__ = ["queue", "queues", "trends", "workers"]


def queues(found: Iterable[queue_pb2.Queue]) -> schemas.Queues:
    return schemas.Queues(queues=[queue(each) for each in found], now=datetime.now(UTC))


def queue(found: queue_pb2.Queue) -> schemas.Queue:
    stats = found.stats
    return schemas.Queue(
        name=found.policy.queue,
        policy=_policy(found.policy),
        paused=found.paused,
        pause=_pause(found.pause) if found.HasField("pause") else None,
        limit_overridden=found.limit_overridden,
        ready=stats.ready,
        delayed=stats.delayed,
        running=stats.running,
        oldest_ready_seconds=seconds_of(stats, "oldest_ready_age"),
        free_capacity=stats.free_capacity,
        change_id=found.change_id,
        eta_coverage=schemas.EtaCoverage(
            scored=found.eta_coverage.scored, p50=found.eta_coverage.p50, p90=found.eta_coverage.p90
        ),
    )


def _policy(found: queue_pb2.QueuePolicy) -> schemas.Policy:
    seconds = seconds_of(found, "rate_period")
    return schemas.Policy(
        max_running=found.max_running or None,
        max_running_per_key=found.max_running_per_key or None,
        timeout_seconds=seconds_of(found, "timeout"),
        max_attempts=found.max_attempts,
        order=word_of(found, "order"),
        rate=schemas.Rate(count=found.rate_count, seconds=seconds) if found.rate_count and seconds else None,
        cancel=word_of(found, "cancel"),
        lease_seconds=seconds_of(found, "lease"),
        retention_seconds=seconds_of(found, "retention"),
        expires_after_seconds=seconds_of(found, "expires_after"),
    )


def _pause(found: queue_pb2.Pause) -> schemas.Pause:
    return schemas.Pause(actor=found.actor, since=time_of(found, "since"), reason=found.reason)


def trends(range_: str, found: Iterable[queue_pb2.QueueTrends]) -> schemas.Trends:
    return schemas.Trends(range=range_, trends=[_queue_trends(each) for each in found])


def _queue_trends(found: queue_pb2.QueueTrends) -> schemas.QueueTrends:
    return schemas.QueueTrends(
        queue=found.queue,
        points=[_point(each) for each in found.points],
        errors=[schemas.ErrorCount(code=each.code, count=each.count) for each in found.errors],
        total=_point(found.total),
    )


def _point(found: queue_pb2.TrendPoint) -> schemas.TrendPoint:
    return schemas.TrendPoint(
        time=found.time.ToDatetime(UTC),
        seconds=seconds_of(found, "length") or 0.0,
        ready=found.ready,
        delayed=found.delayed,
        running=found.running,
        enqueued=found.enqueued,
        started=found.started,
        succeeded=found.succeeded,
        failed=found.failed,
        cancelled=found.cancelled,
        retried=found.retried,
        wait=_quantiles(found.wait) if found.HasField("wait") else None,
        run=_quantiles(found.run) if found.HasField("run") else None,
    )


def _quantiles(found: queue_pb2.Quantiles) -> schemas.Quantiles:
    p50, p90, p99 = (seconds_of(found, name) or 0.0 for name in ("p50", "p90", "p99"))
    return schemas.Quantiles(p50=p50, p90=p90, p99=p99)


def workers(found: Iterable[queue_pb2.WorkerInfo]) -> schemas.Workers:
    return schemas.Workers(workers=[_worker(each) for each in found])


def _worker(found: queue_pb2.WorkerInfo) -> schemas.Worker:
    return schemas.Worker(
        session_id=found.session_id,
        name=found.name,
        queues=list(found.queues),
        kinds=list(found.kinds),
        capacity=found.capacity,
        running=found.running,
        connected_at=found.connected_at.ToDatetime(UTC),
        last_seen_at=found.last_seen_at.ToDatetime(UTC),
        draining=found.draining,
        lanes=[schemas.Lane(queue=lane.queue, capacity=lane.capacity, running=lane.running) for lane in found.lanes],
        jobs=[_held(job) for job in found.jobs],
    )


def _held(found: queue_pb2.HeldJob) -> schemas.HeldJob:
    return schemas.HeldJob(
        id=found.id,
        queue=found.queue,
        kind=found.kind,
        started_at=time_of(found, "started_at"),
        expires_at=time_of(found, "expires_at"),
        progress=progress(found),
        received=found.received,
    )
