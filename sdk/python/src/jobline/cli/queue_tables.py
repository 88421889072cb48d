"""How queues and workers look in a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rich.table import Table
from rich.text import Text

from jobline.cli.clock import since, span
from jobline.cli.terminal_text import plain
from jobline.client import Queue, QueuePolicy, WorkerInfo

__all__ = ["history_table", "queue_table", "worker_table"]


def queue_table(queues: Iterable[Queue]) -> Table:
    """Queues with what waits in them and what may run."""
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
            _limits(queue.policy),
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
        "queue": f"{queue.name}{' (paused)' if queue.paused else ''}",
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
