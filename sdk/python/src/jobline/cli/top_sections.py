"""The three lists of `jobline top`: queues, workers and running jobs, each as titles and blocks of lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from rich.text import Text

from jobline.cli.clock import since
from jobline.cli.figures import bar, short_count, short_span, sparkline
from jobline.cli.terminal_text import plain
from jobline.cli.text_columns import Column, lines_of
from jobline.cli.top_picture import Picture, QueueView, RunView
from jobline.client import Quantiles, WorkerInfo

__all__ = ["Block", "Section", "queue_section", "run_section", "worker_section"]

#: Widths of screens from which on there are more columns.
_WIDE, _WIDER = 110, 160
_BAR_WIDTH = 10
#: Seconds without a message of a worker, which sends one every ten seconds, after which it looks lost.
_SILENT = 25.0

_ALARM, _CARE, _CALM = "bold red", "yellow", "dim"


class Block(NamedTuple):
    """Lines that stay together, and of how many things they tell."""

    lines: Sequence[Text]
    stands_for: int = 1


class Section(NamedTuple):
    """A list: the line of its titles, its blocks, and how many things it has besides."""

    titles: Text
    blocks: Sequence[Block]
    unlisted: int = 0


def queue_section(picture: Picture, now: datetime, width: int) -> Section:
    """Queues with something in them or to tell, by name; the names of the others in one line."""
    views = picture.queue_views()
    shown = [view for view in views if picture.only or _tells_something(view)]
    titles, *lines = lines_of(_queue_columns(), shown, width)
    blocks = [Block([line, *_notes(view, now)]) for line, view in zip(lines, shown, strict=True)]
    idle = [view.queue.name for view in views if view not in shown]
    if idle:
        blocks.append(Block([plain(f"idle: {', '.join(idle)}", _CALM)], len(idle)))
    return Section(titles, blocks or [Block([Text("no queue is known", _CALM)])])


def worker_section(picture: Picture, now: datetime, width: int) -> Section:
    """Worker sessions by name."""
    workers = sorted(picture.workers, key=lambda worker: (worker.name, worker.session_id))
    titles, *lines = lines_of(_worker_columns(now), workers, width)
    waits = any(queue.stats.ready for queue in picture.queues)
    none = Text("no worker is connected", _ALARM if waits else _CALM)
    return Section(titles, [Block([line]) for line in lines or [none]])


def run_section(picture: Picture, now: datetime, width: int) -> Section:
    """Running jobs, the longest-running first."""
    runs = picture.running()
    titles, *lines = lines_of(_run_columns(now), runs, width)
    unlisted = max(0, sum(queue.stats.running for queue in picture.queues) - len(runs))
    if not runs:
        none = f"{short_count(unlisted)} run that no connected worker holds" if unlisted else "nothing runs"
        return Section(titles, [Block([Text(none, _CARE if unlisted else _CALM)])])
    return Section(titles, [Block([line]) for line in lines], unlisted)


def _tells_something(view: QueueView) -> bool:
    stats = view.queue.stats
    return bool(stats.ready or stats.delayed or stats.running or view.queue.paused or view.was_busy)


def _queue_columns() -> list[Column[QueueView]]:
    return [
        Column("QUEUE", _queue_name, 15, 32),
        Column("READY", lambda view: Text(short_count(view.queue.stats.ready)), 5, right=True),
        Column("DELAY", lambda view: Text(short_count(view.queue.stats.delayed), _CALM), 5, right=True),
        Column("RUN/MAX", _running, 7, 11, right=True),
        Column("OLDEST", lambda view: Text(_age(view.queue.stats.oldest_ready_age)), 6, right=True),
        Column("WAIT P50/90", lambda view: _quantiles(view.wait), 11, right=True),
        Column("RUN P50/90", lambda view: _quantiles(view.run), 10, right=True),
        Column("DONE/M", lambda view: _rate(view.rates.succeeded, "green"), 6, right=True),
        Column("FAIL/M", lambda view: _rate(view.rates.failed, _ALARM), 6, right=True),
        Column("AGAIN/M", lambda view: _rate(view.rates.retried, _CARE), 7, right=True, since=_WIDE),
        Column("ETA P90 HELD", _coverage, 13, right=True, since=_WIDE),
        Column("  DONE IN THE LAST HOUR", lambda view: _course(view.course), 30, 62, since=_WIDER),
    ]


def _queue_name(view: QueueView) -> Text:
    return plain(view.queue.name, _ALARM if view.queue.paused else "bold")


def _running(view: QueueView) -> Text:
    running, most = view.queue.stats.running, view.queue.policy.max_running
    text = f"{short_count(running)}/{short_count(most)}" if most else short_count(running)
    return Text(text, "bold cyan" if most and running >= most else "cyan" if running else "")


def _age(seconds: float | None) -> str:
    return "" if seconds is None else short_span(seconds)


def _quantiles(times: Quantiles | None) -> Text:
    return Text() if times is None else Text(f"{short_span(times.p50)}/{short_span(times.p90)}")


def _rate(count: float, style: str) -> Text:
    return Text(short_count(count), style) if round(count) else Text("0", _CALM)


def _coverage(view: QueueView) -> Text:
    held = view.queue.eta_coverage
    return Text(f"{100 * held.p90:.0f} % of {held.scored}") if held.scored else Text()


def _course(counts: Sequence[int]) -> Text:
    return Text(f"  {sparkline(counts)}", "green")


def _notes(view: QueueView, now: datetime) -> list[Text]:
    """What a queue needs to have said about it, in one line."""
    queue, notes = view.queue, []
    if queue.pause is not None:
        ago = f" {since(queue.pause.since, now)} ago" if queue.pause.since else ""
        why = f": {queue.pause.reason}" if queue.pause.reason else ""
        notes.append(plain(f"paused by {queue.pause.actor or 'nobody known'}{ago}{why}", _CARE))
    if queue.stats.ready and not view.has_worker:
        notes.append(Text("no connected worker takes it", _ALARM))
    if queue.limit_overridden:
        notes.append(Text(f"limit {queue.policy.max_running or 'none'}, set by an operator", _CALM))
    return [Text.assemble("  └ ", Text(" · ").join(notes))] if notes else []


def _worker_columns(now: datetime) -> list[Column[WorkerInfo]]:
    return [
        Column("WORKER", lambda worker: plain(worker.name, "bold"), 20, 40),
        Column("HOLDS", _holds, 7, 11, right=True),
        Column("", lambda worker: bar(worker.running, worker.capacity, _BAR_WIDTH), _BAR_WIDTH, since=_WIDE),
        Column("SINCE", lambda worker: Text(since(worker.connected_at, now)), 7, right=True),
        Column("SEEN", lambda worker: _seen(worker, now), 8, right=True),
        Column("STATE", lambda worker: _worker_state(worker, now), 8),
        Column("QUEUES", lambda worker: plain(", ".join(worker.queues), _CALM), 20, 200),
    ]


def _holds(worker: WorkerInfo) -> Text:
    full = worker.running >= worker.capacity
    return Text(f"{worker.running}/{worker.capacity}", "bold cyan" if full else "cyan" if worker.running else "")


def _silence(worker: WorkerInfo, now: datetime) -> float:
    return (now - worker.last_seen_at).total_seconds() if worker.last_seen_at else 0.0


def _seen(worker: WorkerInfo, now: datetime) -> Text:
    silence = _silence(worker, now)
    return Text(f"{short_span(silence)} ago" if silence >= 1 else "now", _ALARM if silence > _SILENT else "")


def _worker_state(worker: WorkerInfo, now: datetime) -> Text:
    if _silence(worker, now) > _SILENT:
        return Text("silent", _ALARM)
    return Text("draining", _CARE) if worker.draining else Text("ready", "green")


def _run_columns(now: datetime) -> list[Column[RunView]]:
    return [
        Column("RUNNING JOB", lambda run: plain(run.job.id), 36),
        Column("QUEUE", lambda run: plain(run.job.queue), 10, 24),
        Column("KIND", lambda run: plain(run.job.kind), 12, 24, since=_WIDE),
        Column("STEP", lambda run: _step(run, now), 11, 24),
        Column("PROGRESS", _progress, _BAR_WIDTH),
        Column("", _units, 7, 11, right=True, since=_WIDE),
        Column("AGE", lambda run: _run_age(run, now), 7, right=True),
        Column("WORKER", lambda run: plain(run.worker, _CALM), 10, 30, since=_WIDE),
        Column("", _message, 20, 80, since=_WIDER),
    ]


def _step(run: RunView, now: datetime) -> Text:
    """Where it is; what is wrong with it goes first."""
    job = run.job
    if job.expires_at is not None and job.expires_at < now:
        return Text("lapsed", _ALARM)
    if job.progress is not None and job.progress.step:
        return plain(job.progress.step)
    return Text() if job.received else Text("handed out", _CALM)


def _progress(run: RunView) -> Text:
    progress = run.job.progress
    return bar(progress.current, progress.total, _BAR_WIDTH) if progress and progress.total else Text()


def _units(run: RunView) -> Text:
    progress = run.job.progress
    return Text(f"{progress.current}/{progress.total}") if progress and progress.total else Text()


def _run_age(run: RunView, now: datetime) -> Text:
    """Yellow for twice as long as nearly all runs of the queue took lately."""
    started = run.job.started_at
    seconds = (now - started).total_seconds() if started else 0.0
    return Text(since(started, now), _CARE if run.usual is not None and seconds > 2 * run.usual else "")


def _message(run: RunView) -> Text:
    return plain(run.job.progress.message, _CALM) if run.job.progress else Text()
