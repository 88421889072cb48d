"""Estimates that were noted, to see whether they hold.

An estimate has held when its job has ended by then, for good: a run that fails and is tried again counts against it. What is
wrong is learned at once, when the time has come and the job has not ended; what is right, with the end of the job. One whose
p90 has passed is counted at once, too: whoever hangs, or is cancelled because it took too long, must not be left out.

Not counted is what nobody could know: jobs that were cancelled or deleted in time, and those that waited when their queue was
paused, which is told instead. That no worker takes a kind any more counts, but is not learned: it is told as well, and the
times that are told when a worker is back would be absurd for hours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jobline_queue.core.calibration import P50, P90, Calibration, Span
from jobline_queue.core.live_job import LiveJob

#: Jobs of a queue that have open estimates, how many of them when they were not due, which can take days, and of each job.
MOST_OPEN, MOST_DELAYED, MOST_OF_A_JOB = 200, 50, 6


@dataclass(slots=True)
class Noted:
    """An estimate of a job: planned and corrected times of its end, from `at` (epoch seconds)."""

    span: Span
    at: float
    #: What the corrections apply to: the planned times without what is certain, a `run_at` that has not come.
    planned: tuple[float, float]
    near: float
    times: tuple[float, float]
    #: Whether the calibration has been told already that a time has passed.
    missed_p50: bool = False
    missed_p90: bool = False


class EtaScores:
    """The open estimates of one queue, and what it has learned from the others."""

    def __init__(self) -> None:
        self.calibration = Calibration()
        self._open: dict[LiveJob, list[Noted]] = {}
        self._delayed = 0

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, job: LiveJob) -> bool:
        return job in self._open

    def note(self, job: LiveJob, noted: Noted) -> None:
        """Keeps an estimate, if there is room. One of a job that has others must be later by half the time that the last one
        gave it: whoever asks meets long runs more often than short ones, and so must the scores."""
        known = self._open.get(job, [])
        last = known[-1] if known else None
        if last is not None and last.span is noted.span and noted.at < last.at + last.times[0] / 2:
            return
        if len(known) >= MOST_OF_A_JOB or (last is None and len(self._open) >= MOST_OPEN):
            return
        if noted.span is Span.DELAYED:
            if self._delayed >= MOST_DELAYED:
                return
            self._delayed += 1
        self._open[job] = [*known, noted]

    def look(self, now: float, taken: Callable[[str], bool]) -> None:
        """Learns from times that have passed, and counts what did not hold. `taken` says whether a worker takes a kind."""
        for job, estimates in list(self._open.items()):
            for noted in estimates:
                self._note_missed(job.kind, noted, now, learn=noted.span is Span.RUNNING or taken(job.kind))
            if failed := [noted for noted in estimates if noted.missed_p90]:
                self._keep(job, [noted for noted in estimates if not noted.missed_p90])
                for _ in failed:
                    self.calibration.score(False, False)

    def withdraw_waiting(self) -> None:
        """The queue is paused: what was told to those who wait is no more told."""
        for job, estimates in list(self._open.items()):
            self._keep(job, [noted for noted in estimates if noted.span is Span.RUNNING])

    def ended(self, job: LiveJob, now: float) -> None:
        """A job has ended for good by itself."""
        for noted in self._drop(job):
            self._note_missed(job.kind, noted, now, learn=True)
            for level, planned, missed in zip(
                (P50, P90), noted.planned, (noted.missed_p50, noted.missed_p90), strict=True
            ):
                if not missed:
                    self.calibration.learn(noted.span, job.kind, level, planned, noted.near, True)
            self.calibration.score(not noted.missed_p50, not noted.missed_p90)

    def gone(self, job: LiveJob) -> None:
        """A job was cancelled or removed."""
        self._drop(job)

    def forget_gone(self, live: dict[str, LiveJob]) -> None:
        """Lets go of jobs of whose ends nobody was told."""
        for job in [job for job in self._open if live.get(job.id) is not job]:
            self._drop(job)

    def _drop(self, job: LiveJob) -> Sequence[Noted]:
        estimates = self._open.get(job, ())
        self._keep(job, [])
        return estimates

    def _keep(self, job: LiveJob, left: list[Noted]) -> None:
        """These are left of a job's estimates."""
        before = self._open.pop(job, ())
        self._delayed -= _delayed(before) - _delayed(left)
        if left:
            self._open[job] = left

    def _note_missed(self, kind: str, noted: Noted, now: float, *, learn: bool) -> None:
        passed = now - noted.at
        if passed > noted.times[0] and not noted.missed_p50:
            noted.missed_p50 = True
            if learn:
                self.calibration.learn(noted.span, kind, P50, noted.planned[0], noted.near, False)
        if passed > noted.times[1] and not noted.missed_p90:
            noted.missed_p90 = True
            if learn:
                self.calibration.learn(noted.span, kind, P90, noted.planned[1], noted.near, False)


def _delayed(estimates: Sequence[Noted]) -> int:
    return sum(noted.span is Span.DELAYED for noted in estimates)
