"""What `jobs watch` knows of the jobs it watches, and how that fits on a screen."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from threading import Lock
from typing import NamedTuple

from rich.console import ConsoleDimensions, Group, RenderableType
from rich.text import Text

from jobline.cli.job_tables import job_table
from jobline.cli.terminal_text import plain
from jobline.client import Change, Eta, Job, JobPlace, JobState

__all__ = ["JobBoard"]

#: A watch without ids goes on for days: of the jobs that have ended it keeps this many.
_ENDED_KEPT = 200
#: Lines of the screen that are not jobs: summary, table header, the line about hidden jobs, the cursor's.
_FRAME_LINES = 4


class _ToldPlace(NamedTuple):
    """A place, and when it was told: an estimate counts from then, and is told anew only when the end itself moves."""

    place: JobPlace
    at: datetime

    def eta(self, now: datetime) -> Eta | None:
        told = self.place.eta
        if told is None or told.p50 is None or told.p90 is None:
            return told
        passed = (now - self.at).total_seconds()
        return Eta(max(0.0, told.p50 - passed), max(0.0, told.p90 - passed), told.reason)


class JobBoard:
    """The present state of the watched jobs. The watcher writes it while the display reads it from another thread.

    Positions and estimates are those of the watch's places alone. A message of them is of one moment, so the numbers of one
    picture fit together; those that come with single changes would not.
    """

    def __init__(self, ids: Sequence[str] = ()) -> None:
        self._named = {job_id: place for place, job_id in enumerate(ids)}
        self._jobs: dict[str, Job] = {}
        self._places: dict[str, _ToldPlace] = {}
        self._removed: set[str] = set()
        self._lock = Lock()

    def apply(self, change: Change, now: datetime) -> None:
        """Takes in one message of the watch, which came `now`."""
        with self._lock:
            if change.resync:
                self._places.clear()
                self._jobs = {job_id: job for job_id, job in self._jobs.items() if job.state.is_terminal}
            if change.removed_id:
                self._forget([change.removed_id])
                self._removed.add(change.removed_id)
            if change.job is not None:
                self._take(change.job)
            for place in change.places:
                self._places[place.id] = _ToldPlace(place, now)

    def _take(self, job: Job) -> None:
        if job.state.is_terminal:
            self._places.pop(job.id, None)
        # At the end: the jobs stand in the order of their last change.
        self._jobs.pop(job.id, None)
        self._jobs[job.id] = job
        if not self._named and len(self._jobs) > _ENDED_KEPT:
            ended = [job_id for job_id, job in self._jobs.items() if job.state.is_terminal]
            self._forget(ended[: max(0, len(ended) - _ENDED_KEPT)])

    def _forget(self, ids: Iterable[str]) -> None:
        for job_id in ids:
            self._jobs.pop(job_id, None)
            self._places.pop(job_id, None)

    def render(self, now: datetime, size: ConsoleDimensions) -> RenderableType:
        """The summary and as many jobs as fit into `size`, live ones first."""
        with self._lock:
            shown = [self._placed(job, now) for job in self._fitting(size.height)]
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
            position = self._position(job.id)
            return 1 if position else 2, position or _seconds(job.run_at)
        return 3, -_seconds(job.finished_at)

    def _position(self, job_id: str) -> int:
        told = self._places.get(job_id)
        return told.place.position if told else 0

    def _placed(self, job: Job, now: datetime) -> Job:
        """The job with what is known of its place; a position belongs to jobs that wait."""
        told = self._places.get(job.id)
        position = self._position(job.id) if job.state is JobState.PENDING else 0
        return dataclasses.replace(job, position=position, eta=told.eta(now) if told else None)


def _seconds(time: datetime | None) -> float:
    return time.timestamp() if time else 0.0
