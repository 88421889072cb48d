"""Queues, workers and trends: messages of the contract as the client's values. One function a type, named after it."""

from __future__ import annotations

from jobline.client import queue_models as models
from jobline.client.convert import progress
from jobline.client.fields import optional_seconds, seconds_of, time_of, word_of
from jobline.v1 import queue_pb2

__all__ = ["held_job", "queue", "trend_point", "trends", "worker"]


def queue(message: queue_pb2.Queue) -> models.Queue:
    stats = message.stats
    return models.Queue(
        policy=_policy(message.policy),
        paused=message.paused,
        stats=models.QueueStats(
            ready=stats.ready,
            delayed=stats.delayed,
            running=stats.running,
            oldest_ready_age=optional_seconds(stats, "oldest_ready_age"),
            free_capacity=stats.free_capacity,
        ),
        history=_history(message.history) if message.HasField("history") else None,
        pause=_pause(message.pause) if message.HasField("pause") else None,
        limit_overridden=message.limit_overridden,
        change_id=message.change_id,
        eta_coverage=models.EtaCoverage(
            message.eta_coverage.scored, message.eta_coverage.p50, message.eta_coverage.p90
        ),
    )


def _pause(message: queue_pb2.Pause) -> models.Pause:
    return models.Pause(message.actor, time_of(message, "since"), message.reason)


def _history(message: queue_pb2.QueueHistory) -> models.QueueHistory:
    return models.QueueHistory(
        succeeded=message.succeeded,
        failed=message.failed,
        cancelled=message.cancelled,
        failure_rate=message.failure_rate,
        mean_run_time=optional_seconds(message, "mean_run_time"),
        oldest_pending=time_of(message, "oldest_pending"),
    )


def worker(message: queue_pb2.WorkerInfo) -> models.WorkerInfo:
    return models.WorkerInfo(
        session_id=message.session_id,
        name=message.name,
        queues=tuple(message.queues),
        kinds=tuple(message.kinds),
        capacity=message.capacity,
        running=message.running,
        connected_at=time_of(message, "connected_at"),
        last_seen_at=time_of(message, "last_seen_at"),
        draining=message.draining,
        lanes=tuple(models.WorkerQueue(lane.queue, lane.capacity, lane.running) for lane in message.lanes),
        jobs=tuple(map(held_job, message.jobs)),
    )


def held_job(message: queue_pb2.HeldJob) -> models.HeldJob:
    return models.HeldJob(
        id=message.id,
        queue=message.queue,
        kind=message.kind,
        started_at=time_of(message, "started_at"),
        expires_at=time_of(message, "expires_at"),
        progress=progress(message.progress) if message.HasField("progress") else None,
        received=message.received,
    )


def trends(message: queue_pb2.QueueTrends) -> models.QueueTrends:
    return models.QueueTrends(
        queue=message.queue,
        points=tuple(map(trend_point, message.points)),
        errors=tuple(models.ErrorCount(error.code, error.count) for error in message.errors),
        total=trend_point(message.total),
    )


def trend_point(message: queue_pb2.TrendPoint) -> models.TrendPoint:
    return models.TrendPoint(
        time=time_of(message, "time"),
        length=seconds_of(message.length),
        ready=message.ready,
        delayed=message.delayed,
        running=message.running,
        enqueued=message.enqueued,
        started=message.started,
        succeeded=message.succeeded,
        failed=message.failed,
        cancelled=message.cancelled,
        retried=message.retried,
        wait=_quantiles(message.wait) if message.HasField("wait") else None,
        run=_quantiles(message.run) if message.HasField("run") else None,
    )


def _quantiles(message: queue_pb2.Quantiles) -> models.Quantiles:
    return models.Quantiles(*map(seconds_of, (message.p50, message.p90, message.p99)))


def _policy(message: queue_pb2.QueuePolicy) -> models.QueuePolicy:
    return models.QueuePolicy(
        queue=message.queue,
        max_running=message.max_running,
        max_running_per_key=message.max_running_per_key,
        timeout=optional_seconds(message, "timeout"),
        max_attempts=message.max_attempts,
        backoff=tuple(map(seconds_of, message.backoff)),
        step_tries=message.step_tries,
        step_backoff=tuple(map(seconds_of, message.step_backoff)),
        cancel=word_of(queue_pb2.CancelMode.DESCRIPTOR, message.cancel, "CANCEL_MODE_"),
        retry_resumes=message.retry_resumes,
        expires_after=optional_seconds(message, "expires_after"),
        retention=optional_seconds(message, "retention"),
        lease=optional_seconds(message, "lease"),
        receipt=optional_seconds(message, "receipt"),
        order=word_of(queue_pb2.QueueOrder.DESCRIPTOR, message.order, "QUEUE_ORDER_"),
        rate_count=message.rate_count,
        rate_period=optional_seconds(message, "rate_period"),
    )
