"""How queues and workers look in a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rich.table import Table
from rich.text import Text

from jobline.cli.clock import clock_time, since, span
from jobline.cli.terminal_text import plain
from jobline.client import ErrorCount, Pause, Quantiles, Queue, QueuePolicy, QueueTrends, TrendPoint, WorkerInfo

__all__ = ["error_table", "held_table", "history_table", "queue_table", "trend_table", "worker_table"]

_NUMBERS = ("enqueued", "started", "succeeded", "failed", "cancelled", "retried", "ready", "running")


def queue_table(queues: Iterable[Queue]) -> Table:
    """Queues with what waits in them and what may run; a star marks an operator's limit."""
    table = _table("queue")
    for name in ("ready", "delayed", "running", "limit", "oldest", "free capacity"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("paused", no_wrap=True)
    for queue in queues:
        stats = queue.stats
        table.add_row(
            plain(queue.name),
            str(stats.ready),
            str(stats.delayed),
            str(stats.running),
            _limits(queue.policy) + ("*" if queue.limit_overridden else ""),
            "" if stats.oldest_ready_age is None else span(stats.oldest_ready_age),
            str(stats.free_capacity),
            Text("paused", style="bold red") if queue.paused else "",
        )
    return table


def history_table(queue: Queue, now: datetime) -> Table:
    """One queue, a number a line, in the words of the job's states."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    stats, history = queue.stats, queue.history
    assert history is not None
    oldest = history.oldest_pending
    waiting = f" (the oldest is due for {since(oldest, now)})" if oldest is not None and oldest < now else ""
    rows = {
        "queue": f"{queue.name}{f' ({_pause(queue.pause)})' if queue.pause else ''}",
        "pending": f"{stats.ready + stats.delayed}{waiting}",
        "running": f"{stats.running} (limit {_limits(queue.policy)})",
        "succeeded": str(history.succeeded),
        "failed": f"{history.failed} ({history.failure_rate:.1f} %)",
        "cancelled": str(history.cancelled),
        "mean run time": "-" if history.mean_run_time is None else span(history.mean_run_time),
    }
    for name, value in rows.items():
        table.add_row(Text(name, style="bold"), plain(value))
    return table


def _pause(pause: Pause) -> str:
    since_when = f" since {clock_time(pause.since)}" if pause.since else ""
    return f"paused by {pause.actor or 'somebody'}{since_when}{f': {pause.reason}' if pause.reason else ''}"


def worker_table(workers: Iterable[WorkerInfo], now: datetime) -> Table:
    """Worker sessions with what they hold."""
    table = _table("session", "name", "queues")
    for name in ("running", "capacity", "connected", "last seen"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for worker in workers:
        table.add_row(
            plain(worker.session_id),
            plain(worker.name),
            plain(", ".join(worker.queues)),
            str(worker.running),
            str(worker.capacity),
            since(worker.connected_at, now),
            f"{since(worker.last_seen_at, now)} ago",
            Text("draining", style="yellow") if worker.draining else Text("ready", style="green"),
        )
    return table


def held_table(workers: Iterable[WorkerInfo], now: datetime) -> Table:
    """The jobs that worker sessions hold, by session."""
    table = _table("session", "job", "queue", "kind")
    table.add_column("running for", justify="right", no_wrap=True)
    table.add_column("step")
    for worker in workers:
        for job in worker.jobs:
            table.add_row(
                plain(worker.session_id),
                plain(job.id),
                plain(job.queue),
                plain(job.kind),
                since(job.started_at, now),
                plain(job.progress.step if job.progress else ""),
            )
    return table


def trend_table(trends: QueueTrends) -> Table:
    """A line a point, the oldest first, and one for all of them."""
    table = _table("from (UTC)")
    for name in (*_NUMBERS, "wait p50", "p90", "run p50", "p90"):
        table.add_column(name, justify="right", no_wrap=True)
    for point in trends.points:
        begin = "?" if point.time is None else f"{point.time:%Y-%m-%d %H:%M}"
        table.add_row(Text(begin), *_row(point))
    table.add_row(Text("in all", style="bold"), *_row(trends.total))
    return table


def error_table(errors: Iterable[ErrorCount]) -> Table:
    """The most frequent first."""
    table = _table("error")
    table.add_column("runs", justify="right", no_wrap=True)
    for error in errors:
        table.add_row(plain(error.code), str(error.count))
    return table


def _row(point: TrendPoint) -> list[str]:
    return [*(str(getattr(point, name)) for name in _NUMBERS), *_times(point.wait), *_times(point.run)]


def _times(times: Quantiles | None) -> tuple[str, str]:
    return ("-", "-") if times is None else (span(times.p50), span(times.p90))


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _limits(policy: QueuePolicy) -> str:
    """`3`, `1 a key`, `60/1m`, together or `-`: what the policy allows to run."""
    parts = []
    if policy.max_running:
        parts.append(str(policy.max_running))
    if policy.max_running_per_key:
        parts.append(f"{policy.max_running_per_key} a key")
    if policy.rate_count:
        parts.append(f"{policy.rate_count}/{span(policy.rate_period or 0)}")
    return ", ".join(parts) or "-"
