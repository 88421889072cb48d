"""How jobs look: the table of `jobs list`, the bars of `jobs watch`, and its lines where there is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from jobline.cli.clock import since
from jobline.cli.terminal_text import escape_controls, plain
from jobline.client import Job, JobState

__all__ = ["change_line", "job_table", "state_text"]

_STYLES: dict[JobState, str] = {
    JobState.PENDING: "yellow",
    JobState.RUNNING: "bold cyan",
    JobState.SUCCEEDED: "green",
    JobState.FAILED: "bold red",
    JobState.CANCELLED: "magenta",
}
_BAR_WIDTH = 16
_ID_LENGTH = 36
_WIDE = 120
_NARROW = ("id", "state", "pos", "step", "progress", "run", "age")


def state_text(job: Job) -> Text:
    """The state's word in its colour; a running job that was asked to stop says so."""
    word = str(job.state)
    if job.cancel_requested_at is not None and job.state is JobState.RUNNING:
        word = "stopping"
    return Text(word, style=_STYLES.get(job.state, ""))


def job_table(jobs: Iterable[Job], now: datetime, *, width: int, live: bool = False) -> Table:
    """Jobs as one line each, with progress bars if `live`. Under 120 columns of `width` it leaves out what jobs share."""
    wide = width >= _WIDE
    columns = [column for column in _columns(now, wide, live) if wide or column.name in _NARROW]
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2 if wide else 1, 0, 0))
    for column in columns:
        table.add_column(column.name, no_wrap=True, overflow="ellipsis", min_width=column.least)
    for job in jobs:
        table.add_row(*(column.cell(job) for column in columns))
    return table


def change_line(job: Job, time: datetime) -> str:
    """One change of a job for logs and pipes, in the manner of `key=value`."""
    parts = [time.strftime("%Y-%m-%dT%H:%M:%SZ"), job.id, job.state, f"attempt={job.attempt}"]
    if job.position:
        parts.append(f"position={job.position}")
    if job.progress and job.progress.step:
        parts.append(f"step={job.progress.step}")
    if job.progress and job.progress.total:
        parts.append(f"progress={job.progress.current}/{job.progress.total}")
    if job.error:
        parts.append(f"error={job.error.code}: {job.error.message}")
    return escape_controls(" ".join(parts))


@dataclass(frozen=True)
class _Column:
    name: str
    cell: Callable[[Job], RenderableType]
    least: int | None = None


def _columns(now: datetime, wide: bool, live: bool) -> list[_Column]:
    bar_width = _BAR_WIDTH if wide else _BAR_WIDTH // 2
    return [
        _Column("id", lambda job: plain(job.id), _ID_LENGTH),
        _Column("queue", lambda job: plain(job.queue)),
        _Column("kind", lambda job: plain(job.kind)),
        _Column("state", state_text, len("cancelled")),
        _Column("pos", lambda job: str(job.position or "")),
        _Column("step", lambda job: plain(job.progress.step if job.progress else "")),
        _Column("progress", (lambda job: _bar(job, bar_width)) if live else _units),
        _Column("run", lambda job: f"{job.attempt}/{job.max_attempts}", 3),
        _Column("age", lambda job: since(job.created_at, now)),
        _Column("owner", lambda job: plain(job.owner)),
        _Column("note", _note),
    ]


def _units(job: Job) -> str:
    return f"{job.progress.current}/{job.progress.total}" if job.progress and job.progress.total else ""


def _bar(job: Job, width: int) -> RenderableType:
    if job.state is JobState.SUCCEEDED:
        return ProgressBar(total=1, completed=1, width=width)
    if job.progress and job.progress.total:
        return ProgressBar(total=job.progress.total, completed=job.progress.current, width=width)
    if job.state is JobState.RUNNING:
        return ProgressBar(total=None, pulse=True, width=width)
    return ""


def _note(job: Job) -> Text:
    """What went wrong, or what it is doing."""
    if job.error:
        return plain(f"{job.error.code}: {job.error.message}", "red")
    if job.state is JobState.RUNNING and job.progress:
        return plain(job.progress.message, "dim")
    return Text()
