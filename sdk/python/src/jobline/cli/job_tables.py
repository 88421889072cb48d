"""How jobs look: the table of `jobs list`, the bars of `jobs watch`, and its lines where there is no terminal."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rich.console import Group
from rich.text import Text

from jobline.cli.clock import since
from jobline.cli.etas import short_eta
from jobline.cli.figures import bar
from jobline.cli.terminal_text import escape_controls, plain
from jobline.cli.text_columns import Column, lines_of
from jobline.client import Job, JobState

__all__ = ["change_line", "job_table", "state_text"]

_STYLES: dict[JobState, str] = {
    JobState.PENDING: "yellow",
    JobState.RUNNING: "bold cyan",
    JobState.SUCCEEDED: "green",
    JobState.FAILED: "bold red",
    JobState.CANCELLED: "magenta",
}
_BAR_WIDTH = 6
_ID_LENGTH = 36
#: The widths of screens from which on there is what the jobs of a screen mostly share, and who owns them.
_WIDE, _WIDER = 120, 140
#: How far names grow, and what went wrong.
_LONG, _LONGEST = 40, 400


def state_text(job: Job) -> Text:
    """The state's word in its colour; a running job that was asked to stop says so."""
    word = str(job.state)
    if job.cancel_requested_at is not None and job.state is JobState.RUNNING:
        word = "stopping"
    return Text(word, style=_STYLES.get(job.state, ""))


def job_table(jobs: Iterable[Job], now: datetime, *, width: int, live: bool = False) -> Group:
    """Jobs as one line each, with progress bars if `live`; what does not fit into `width` is left out."""
    return Group(*lines_of(_columns(now, live), list(jobs), width))


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


def _columns(now: datetime, live: bool) -> list[Column[Job]]:
    return [
        Column("id", lambda job: plain(job.id), _ID_LENGTH),
        Column("queue", lambda job: plain(job.queue), 6, _LONG, since=_WIDE),
        Column("kind", lambda job: plain(job.kind), 6, _LONG, since=_WIDE),
        Column("state", state_text, len("cancelled")),
        Column("pos", lambda job: Text(str(job.position or "")), 3, 9, right=True),
        Column("eta", lambda job: Text(short_eta(job.eta)), 4, 9, right=True),
        Column("step", lambda job: plain(job.progress.step if job.progress else ""), 6, _LONG),
        Column("done", _bar if live else _units, _BAR_WIDTH, 20),
        Column("run", lambda job: Text(f"{job.attempt}/{job.max_attempts}"), 3, 5),
        Column("age", lambda job: Text(since(job.created_at, now)), 6, 9, right=True),
        Column("owner", lambda job: plain(job.owner), 8, _LONG, since=_WIDER),
        Column("note", _note, 15, _LONGEST, since=_WIDE),
    ]


def _units(job: Job) -> Text:
    return Text(f"{job.progress.current}/{job.progress.total}" if job.progress and job.progress.total else "")


def _bar(job: Job) -> Text:
    if job.state is JobState.SUCCEEDED:
        return bar(1, 1, _BAR_WIDTH)
    if job.progress and job.progress.total:
        return bar(job.progress.current, job.progress.total, _BAR_WIDTH)
    return Text()


def _note(job: Job) -> Text:
    """What went wrong, or what it is doing."""
    if job.error:
        return plain(f"{job.error.code}: {job.error.message}", "red")
    if job.state is JobState.RUNNING and job.progress:
        return plain(job.progress.message, "dim")
    return Text()
