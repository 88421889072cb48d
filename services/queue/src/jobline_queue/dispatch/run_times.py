"""How long the runs of each kind have lately taken, and how long from the beginning of each of their steps to the end.

Of busy queues it takes a sample: the jobs of a batch were handed out together and end together, and of hundreds of batches a
second the last hundred times would say nothing about the last minute.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from jobline_queue.core.live_job import Lease, LiveJob
from jobline_queue.core.pace import Pace, RunTime

#: Paces in memory, of about 3 kB each, and as many of steps, whose names workers make up; of more, those that were not
#: touched for the longest time go.
MOST_PACES = 1024
#: Steps of a run that are noted; of more, the last one and the first ones.
MOST_STAGES = 32
#: Times of a step that are needed before they tell more than those of whole runs.
_ENOUGH = 3
#: A queue's ends are looked at so many seconds after the last time at the earliest, and at so many of a batch.
_PAUSE, _OF_A_BATCH = 0.02, 8

#: (queue, kind, step)
_Name = tuple[str, str, str]


class RunTimes:
    """The paces of a term. Paces without a kind are those of all kinds of their queue."""

    def __init__(self) -> None:
        self._runs: OrderedDict[_Name, Pace] = OrderedDict()
        self._steps: OrderedDict[_Name, Pace] = OrderedDict()
        #: When each step of the runs under way began (epoch seconds).
        self._stages: dict[LiveJob, list[tuple[str, float]]] = {}
        self._looked_at: dict[str, float] = {}

    # ---- what happens -----------------------------------------------------------------------------------------------

    def began(self, lease: Lease) -> None:
        for job in lease.jobs.values():
            if job.report is not None and job.report.step:
                self._stages[job] = [(job.report.step, lease.granted_at)]

    def entered(self, job: LiveJob, step: str, at: float) -> None:
        """A run has come to a step."""
        stages = self._stages.setdefault(job, [])
        del stages[MOST_STAGES - 1 :]
        stages.append((step, at))

    def succeeded(self, lease: Lease, jobs: Sequence[LiveJob], at: float) -> None:
        if self._stages:
            for job in jobs:
                for step, began in self._stages.pop(job, ()):
                    self._pace((job.queue, job.kind, step)).add(at - began)
        self._note(lease, jobs, at)

    def failed(self, lease: Lease, job: LiveJob, at: float) -> None:
        """A run came to its end without success: in as much time, but from its steps it was another way."""
        self.left(job)
        self._note(lease, (job,), at)

    def left(self, job: LiveJob) -> None:
        """A run was cut off: it says nothing."""
        self._stages.pop(job, None)

    def forget_ended(self) -> None:
        """Lets go of runs of whose ends nobody was told."""
        for job in [job for job in self._stages if job.lease is None]:
            del self._stages[job]

    def remember(self, times: Iterable[RunTime]) -> None:
        """Times of an earlier term, the oldest first: they count as older than all that this term has seen."""
        older: dict[_Name, list[float]] = {}
        for time in times:
            for kind in {time.kind, time.kind if time.step else ""}:
                older.setdefault((time.queue, kind, time.step), []).append(time.seconds)
        for name, seconds in older.items():
            self._pace(name).add_older(seconds)

    def _note(self, lease: Lease, jobs: Sequence[LiveJob], at: float) -> None:
        if 0.0 <= at - self._looked_at.get(lease.queue, 0.0) < _PAUSE:
            return
        self._looked_at[lease.queue] = at
        for kind in {job.kind for job in jobs[:: 1 + len(jobs) // _OF_A_BATCH]}:
            self._pace((lease.queue, kind, "")).add(at - lease.granted_at)
            self._pace((lease.queue, "", "")).add(at - lease.granted_at)

    def _pace(self, name: _Name) -> Pace:
        paces = self._steps if name[2] else self._runs
        pace = paces.get(name)
        if pace is None:
            pace = paces[name] = Pace()
            if len(paces) > MOST_PACES:
                paces.popitem(last=False)
        else:
            paces.move_to_end(name)
        return pace

    # ---- what it says -----------------------------------------------------------------------------------------------

    def of(self, queue: str, kind: str = "") -> Pace | None:
        """The pace of a kind's runs, or of all the queue's; None without a time."""
        return self._runs.get((queue, kind, ""))

    def rests(self, job: LiveJob, now: float, levels: Sequence[float]) -> list[float] | None:
        """How long a running job still takes, at each of these levels; None when nothing is known of its kind."""
        if stages := self._stages.get(job):
            step, began = stages[-1]
            pace = self._steps.get((job.queue, job.kind, step))
            if pace is not None and len(pace) >= _ENOUGH:
                return pace.rests(now - began, levels)
        pace = self.of(job.queue, job.kind)
        return None if pace is None else pace.rests(now - (job.started_at or now), levels)
