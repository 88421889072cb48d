"""When a job will have ended: estimates for whoever asks, and how good they were.

`Forecast` listens to the runs (`run_times.py`), keeps for each queue a plan of the near future (`outlook.py`,
`core/planner.py`) and the corrections that the queue's own estimates have asked for (`eta_scores.py`,
`core/calibration.py`). An estimate is then a look into a plan, microseconds, wherever the job stands. A plan is made anew
when it is asked for and half a second old; when one has just been made, plans of other queues wait for the next call.

What no estimate can know: jobs that will come and go first, workers that will come or go, a pause, a cancel. What of it
happens all the time, the corrections learn; what happens once, they cannot.

The corrections are of a term, and begin anew with the next one. The run times are not: see `remember`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from jobline_queue.core.calibration import P50, P90, Span
from jobline_queue.core.ending import RunEnd
from jobline_queue.core.lifecycle import Arrow, State
from jobline_queue.core.live_job import Lease, LiveJob, Place
from jobline_queue.core.pace import RunTime
from jobline_queue.dispatch.eta_scores import EtaScores, Noted
from jobline_queue.dispatch.outlook import Outlook
from jobline_queue.dispatch.queue_state import QueueState
from jobline_queue.dispatch.run_times import RunTimes

if TYPE_CHECKING:
    from jobline_queue.dispatch.dispatcher import Dispatcher

#: Seconds that a plan is good for; and, while another one has just been made, at the most.
FRESH, STALE = 0.5, 5.0
#: Seconds between two looks at what the estimates have become; each notes a few more.
INTERVAL = 1.0
#: How many estimates a look notes for each queue: of jobs that are due, and of jobs that run. One more is of a delayed one.
_NOTED_WAITING, _NOTED_RUNNING = 2, 1
#: A job's own run time, this many times, is "near" to its calibration.
_NEAR = 2.0
_LEAST_NEAR = 0.001


class Estimate(NamedTuple):
    """Seconds from now until a job's next run, or the one under way, has ended; or why there is none."""

    p50: float | None
    p90: float | None
    reason: str = ""


PAUSED, NO_WORKER, NO_HISTORY = (Estimate(None, None, reason) for reason in ("QUEUE_PAUSED", "NO_WORKER", "NO_HISTORY"))


class Forecast:
    """The estimates of a term. It is an observer of runs (`observer.py`)."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._times = RunTimes()
        self._outlooks: dict[str, Outlook] = {}
        self._planned_at = 0.0
        self._scores: dict[str, EtaScores] = {}
        self._leases: dict[str, list[Lease]] = {}
        self._leases_at = 0.0
        self._random = random.Random(0)

    # ---- estimates --------------------------------------------------------------------------------------------------

    def estimate(self, job: LiveJob) -> Estimate:
        return self.estimates([job], [self._dispatcher.position(job)])[0]

    def estimates(self, jobs: Sequence[LiveJob], positions: Sequence[int]) -> list[Estimate]:
        """For each of these live jobs at these positions (0 for those that run)."""
        now = self._dispatcher.clock.now()
        answers = []
        for job, position in zip(jobs, positions, strict=True):
            noted = self._estimate(job, position, now)
            answers.append(noted if isinstance(noted, Estimate) else Estimate(*noted.times))
        return answers

    def coverage(self, queue: str) -> tuple[int, float, float]:
        """How many of a queue's last estimates are counted, at most 1000, and the shares whose p50 and whose p90 held."""
        return self._scores_of(queue).calibration.coverage

    def _estimate(self, job: LiveJob, position: int, now: float, *, fresh: bool = False) -> Noted | Estimate:
        """An estimate as it may be noted, or none with its reason. `fresh`: by a plan that is not older than FRESH."""
        if job.lease is not None:
            rests = self._times.rests(job, now, (P50, P90))
            return NO_HISTORY if rests is None else self._corrected(job, Span.RUNNING, (rests[0], rests[1]), 0.0, now)
        state = self._dispatcher.queue(job.queue)
        if state.paused:
            return PAUSED
        outlook = self._outlook(state, now, fresh=fresh)
        known = outlook.of(job.kind)
        if known is None and outlook.at != now:  # a worker may have come, a first run may have ended
            outlook = self._new_outlook(state, now)
            known = outlook.of(job.kind)
        if known is None:
            return NO_HISTORY if outlook.takes(job.kind) else NO_WORKER
        runs, pool = known
        ends = pool.plan.ends(pool.place(job, position, state), job.kind, runs.times)
        floor = max(0.0, job.run_at - now) if job.place is Place.DELAYED else 0.0
        wait, age = outlook.key_wait(job, runs), now - outlook.at
        planned = _beyond(floor, ends[0], runs.p50, wait[0], age), _beyond(floor, ends[1], runs.p90, wait[1], age)
        return self._corrected(job, Span.DELAYED if floor else Span.WAITING, planned, floor, now, _NEAR * runs.p50)

    def _corrected(
        self, job: LiveJob, span: Span, planned: tuple[float, float], floor: float, now: float, near: float = 0.0
    ) -> Noted:
        near = max(near, _LEAST_NEAR)
        p50, p90 = self._scores_of(job.queue).calibration.correct(span, job.kind, planned, near)
        return Noted(span, now, planned, near, (floor + p50, floor + p90))

    def _outlook(self, state: QueueState, now: float, *, fresh: bool) -> Outlook:
        queue = state.policy.queue
        outlook = self._outlooks.get(queue)
        age = now - outlook.at if outlook is not None else STALE
        if outlook is None or age >= STALE or age < 0 or (age >= FRESH and (fresh or now != self._planned_at)):
            return self._new_outlook(state, now)
        return outlook

    def _new_outlook(self, state: QueueState, now: float) -> Outlook:
        self._planned_at = now
        queue, sessions = state.policy.queue, list(self._dispatcher.sessions.values())
        outlook = self._outlooks[queue] = Outlook(state, sessions, self._leases_of(queue, now), self._times, now)
        return outlook

    def _leases_of(self, queue: str, now: float) -> Sequence[Lease]:
        if not 0.0 <= now - self._leases_at < FRESH:
            self._leases_at = now
            self._leases = {}
            for lease in self._dispatcher.leases.values():
                self._leases.setdefault(lease.queue, []).append(lease)
        return self._leases.get(queue, ())

    def _scores_of(self, queue: str) -> EtaScores:
        scores = self._scores.get(queue)
        if scores is None:
            scores = self._scores[queue] = EtaScores()
        return scores

    # ---- what happens -----------------------------------------------------------------------------------------------

    def enqueued(self, queue: str, count: int) -> None:
        """The next plan sees them."""

    def granted(self, lease: Lease) -> None:
        self._times.began(lease)

    def entered(self, job: LiveJob, step: str) -> None:
        """A run has come to a step."""
        self._times.entered(job, step, self._dispatcher.clock.now())

    def succeeded(self, lease: Lease, jobs: Sequence[LiveJob], at: float) -> None:
        self._times.succeeded(lease, jobs, at)
        scores = self._scores.get(lease.queue)
        if scores:
            for job in jobs:
                if job in scores:
                    scores.ended(job, at)

    def ended(self, job: LiveJob, lease: Lease, end: RunEnd | None, at: float) -> None:
        if end is not None and end.arrow is Arrow.COMPLETE and end.state is State.SUCCEEDED:
            self.succeeded(lease, (job,), at)
            return
        if end is not None and end.arrow in (Arrow.FAIL, Arrow.TIME_OUT):
            self._times.failed(lease, job, at)
        else:
            self._times.left(job)
        if end is not None and end.state is State.FAILED:
            self._scores_of(job.queue).ended(job, at)
        elif end is None or end.state is not State.PENDING:
            self.cancelled(job)

    def cancelled(self, job: LiveJob) -> None:
        self._scores_of(job.queue).gone(job)

    def remember(self, times: Iterable[RunTime]) -> None:
        """Run times of earlier terms, the oldest first."""
        self._times.remember(times)

    # ---- scores -----------------------------------------------------------------------------------------------------

    async def run_once(self) -> int:
        """Looks what became of the noted estimates and notes more, one queue after the other. To be called each INTERVAL."""
        self._times.forget_ended()
        for queue in list(self._dispatcher.queues):
            self.look(queue)
            await asyncio.sleep(0)
        return 0

    def look(self, queue: str) -> None:
        """The same for one queue."""
        now = self._dispatcher.clock.now()
        state, scores = self._dispatcher.queue(queue), self._scores_of(queue)
        if scores:
            scores.forget_gone(self._dispatcher.jobs)
            if state.paused:
                scores.withdraw_waiting()
            scores.look(now, self._outlook(state, now, fresh=True).takes)
        jobs = [job for job in self._some_of(state, now) if job is not None]
        for job in jobs:
            noted = self._estimate(job, self._dispatcher.position(job), now, fresh=True)
            if isinstance(noted, Noted):
                scores.note(job, noted)

    def _some_of(self, state: QueueState, now: float) -> list[LiveJob | None]:
        """A few random jobs of a queue."""
        some = [state.order.any(self._random) for _ in range(_NOTED_WAITING)]
        if state.later:
            some.append(state.later.at(self._random.randrange(len(state.later))))
        leases = self._leases_of(state.policy.queue, now)
        for lease in self._random.sample(leases, min(_NOTED_RUNNING, len(leases))):
            if lease.jobs:
                some.append(self._random.choice(list(lease.jobs.values())))
        return some


def _beyond(floor: float, end: float, run: float, key_wait: float, age: float) -> float:
    """The time after `floor` at which a job has ended that a plan of this age lets end at `end`."""
    if end > run:  # what the plan has it wait has become shorter
        end = max(run, end - age)
    return max(end, key_wait + run, floor + run) - floor
