"""What `jobs watch` knows of the jobs it watches, and how that fits on a screen."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from threading import Lock

from rich.console import ConsoleDimensions, Group, RenderableType
from rich.text import Text

from jobline.cli.job_tables import job_table
from jobline.cli.terminal_text import plain
from jobline.client import Change, Job, JobState

__all__ = ["JobBoard"]

#: A watch without ids goes on for days: of the jobs that have ended it keeps this many.
_ENDED_KEPT = 200
#: Lines of the screen that are not jobs: summary, table header, the line about hidden jobs, the cursor's.
_FRAME_LINES = 4


class JobBoard:
    """The present state of the watched jobs. The watcher writes it while the display reads it from another thread."""

    def __init__(self, ids: Sequence[str] = ()) -> None:
        self._named = {job_id: place for place, job_id in enumerate(ids)}
        self._jobs: dict[str, Job] = {}
        self._removed: set[str] = set()
        self._lock = Lock()

    def apply(self, change: Change) -> None:
        """Takes in one message of the watch."""
        with self._lock:
            if change.resync:
                self._jobs = {job_id: job for job_id, job in self._jobs.items() if job.state.is_terminal}
            if change.removed_id:
                self._jobs.pop(change.removed_id, None)
                self._removed.add(change.removed_id)
            if change.job is not None:
                self._jobs.pop(change.job.id, None)
                self._jobs[change.job.id] = change.job
                self._forget_oldest_ended()

    def place(self, positions: Sequence[Job]) -> None:
        """Takes in the positions of jobs that were read anew; jobs that have moved on since then are left alone."""
        with self._lock:
            for read in positions:
                known = self._jobs.get(read.id)
                if known is not None and known.state is read.state is JobState.PENDING:
                    self._jobs[read.id] = dataclasses.replace(known, position=read.position)

    def waiting(self, height: int) -> list[str]:
        """The ids of jobs that wait and fit into `height` lines: those whose position is worth reading anew."""
        with self._lock:
            return [job.id for job in self._fitting(height) if job.state is JobState.PENDING]

    def render(self, now: datetime, size: ConsoleDimensions) -> RenderableType:
        """The summary and as many jobs as fit into `size`, live ones first."""
        with self._lock:
            shown = self._fitting(size.height)
            hidden = len(self._jobs) - len(shown)
            parts: list[RenderableType] = [self._summary(), job_table(shown, now, width=size.width, live=True)]
        if hidden:
            parts.append(plain(f"… and {hidden} more", "dim"))
        return Group(*parts)

    def _fitting(self, height: int) -> list[Job]:
        """The most telling jobs that fit; named ones in the order in which they were named."""
        shown = sorted(self._jobs.values(), key=self._order)[: max(1, height - _FRAME_LINES)]
        if self._named:
            shown.sort(key=lambda job: self._named.get(job.id, len(self._named)))
        return shown

    def _summary(self) -> Text:
        counts = Counter(str(job.state) for job in self._jobs.values())
        if self._named and self._removed:
            counts["removed"] = len(self._removed)
        told = ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))
        return Text(told or "no live jobs yet", style="bold")

    def _order(self, job: Job) -> tuple[int, float]:
        """Running ones, then those that wait by their position, then the ended ones, the latest first."""
        if job.state is JobState.RUNNING:
            return 0, _seconds(job.started_at)
        if job.state is JobState.PENDING:
            return 1 if job.position else 2, job.position or _seconds(job.run_at)
        return 3, -_seconds(job.finished_at)

    def _forget_oldest_ended(self) -> None:
        """Entries are kept in the order of their last change, so the first ended ones are the oldest."""
        if self._named or len(self._jobs) <= _ENDED_KEPT:
            return
        ended = [job_id for job_id, job in self._jobs.items() if job.state.is_terminal]
        for job_id in ended[: max(0, len(ended) - _ENDED_KEPT)]:
            del self._jobs[job_id]


def _seconds(time: datetime | None) -> float:
    return time.timestamp() if time else 0.0
