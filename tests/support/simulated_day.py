"""A day of mixed load in a few seconds: the production dispatcher and forecast on a clock that jumps from event to event.

What is simulated is the world around them: who enqueues what and when, how long runs take, workers that come and go, pauses,
cancels, failures. Jobs go through the dispatcher as the writers lead them (pick, grant, end, restore), and observers are told
as after a commit. Now and then somebody looks at a job and is told an estimate; what becomes of it is the proof.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from jobline_queue.core.ending import Failed, RunError, end_run
from jobline_queue.core.lifecycle import State
from jobline_queue.core.live_job import Lease, LiveJob, Place
from jobline_queue.core.policy import Order, QueuePolicy, Rate
from jobline_queue.core.stored_queue import Pause
from jobline_queue.dispatch.clock import Clock
from jobline_queue.dispatch.dispatcher import Dispatcher
from jobline_queue.dispatch.looks import Looks
from jobline_queue.dispatch.session import Session

HOUR, DAY = 3600.0, 86400.0
_PAUSE = Pause("user:ann", 0.0, "a deploy")
_EPOCH = 1_800_000_000.0


@dataclass(frozen=True)
class Work:
    """A kind of job: run times are lognormal around `median` seconds, spent on `steps` by their shares."""

    kind: str
    median: float
    sigma: float
    share: float = 1.0
    steps: Sequence[tuple[str, float]] = ()
    fails: float = 0.0


@dataclass(frozen=True)
class Trade:
    """A queue, what comes in, and who works on it."""

    policy: QueuePolicy
    works: Sequence[Work]
    per_hour: float
    workers: int
    capacity: int
    #: Jobs that come at once, and how often an hour.
    burst: int = 0
    bursts: float = 0.0
    owners: int = 1
    urgent: float = 0.0
    delayed: float = 0.0
    cancelled: float = 0.0
    #: Pauses an hour, of some minutes.
    pauses: float = 0.0


TRADES = (
    Trade(
        QueuePolicy("letters", max_attempts=3, backoff=(10.0, 30.0)),
        (Work("note", 4.0, 0.5, 0.8, fails=0.02), Work("report", 25.0, 0.7, 0.2, fails=0.05)),
        per_hour=1700.0,
        workers=3,
        capacity=2,
        burst=300,
        bursts=0.5,
        urgent=0.05,
        delayed=0.02,
        cancelled=0.02,
    ),
    Trade(
        QueuePolicy("analyses", max_running=4, order=Order.FAIR, max_attempts=2, backoff=(20.0,)),
        (
            Work("analysis", 60.0, 0.4, 0.7, (("read", 0.2), ("think", 0.5), ("draw", 0.3)), fails=0.03),
            Work("summary", 30.0, 0.6, 0.3),
        ),
        per_hour=200.0,
        workers=3,
        capacity=3,
        burst=60,
        bursts=0.4,
        owners=12,
        cancelled=0.03,
        pauses=0.08,
    ),
    Trade(
        QueuePolicy("messages", rate=Rate(30, 60.0), max_running_per_key=2),
        (Work("message", 2.0, 0.4),),
        per_hour=1300.0,
        workers=2,
        capacity=4,
        burst=300,
        bursts=0.5,
        owners=20,
        delayed=0.02,
    ),
)


@dataclass(frozen=True)
class Told:
    """An estimate that somebody was told, and when the job had ended."""

    queue: str
    kind: str
    #: How far away the p50 was of a job that was due.
    horizon: str
    p50: float
    p90: float
    took: float

    @property
    def p50_held(self) -> bool:
        return self.took <= self.p50

    @property
    def p90_held(self) -> bool:
        return self.took <= self.p90


HORIZONS = ("running", "< 30 s", "< 5 min", "later", "not due")


def horizon_of(job: LiveJob, p50: float) -> str:
    if job.lease is not None:
        return HORIZONS[0]
    return HORIZONS[4] if job.place is Place.DELAYED else HORIZONS[1 + (p50 >= 30.0) + (p50 >= 300.0)]


@dataclass
class SimulatedDay:
    """`run` plays `seconds` of load and then goes on until all is done; `look_every` is how often somebody asks,
    `score_every` how often the forecast notes estimates of its own."""

    seed: int
    seconds: float = DAY
    trades: Sequence[Trade] = TRADES
    look_every: float = 30.0
    score_every: float = 5.0
    told: list[Told] = field(default_factory=list)
    #: How often there was no estimate, by its reason.
    untold: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        policies = {trade.policy.queue: trade.policy for trade in self.trades}
        self.dispatcher = Dispatcher(policies, Clock(_EPOCH, lambda: self._now), 1, 0)
        self._looks = Looks(self.dispatcher)
        self._trades: Mapping[str, Trade] = {trade.policy.queue: trade for trade in self.trades}
        self._works = {(trade.policy.queue, work.kind): work for trade in self.trades for work in trade.works}
        self._asked: dict[LiveJob, list[tuple[float, str, float, float]]] = {}

    def run(self) -> None:
        for trade in self.trades:
            self._open(trade)
        self._every(self.look_every, self._look)
        self._every(self.score_every, self._score)
        while self._events and (self._now < self.seconds or self.dispatcher.jobs):
            self._now, _, act = heapq.heappop(self._events)
            act()
            self._hand_out()

    # ---- time -------------------------------------------------------------------------------------------------------

    def _at(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self._now + seconds, next(self._numbers), act))

    def _every(self, seconds: float, act: Callable[[], None]) -> None:
        def again() -> None:
            act()
            self._at(seconds, again)

        self._at(seconds, again)

    def _now_and_then(self, per_hour: float, act: Callable[[], None]) -> None:
        """Poisson events until the end of the load."""
        if not per_hour:
            return

        def again() -> None:
            if self._now < self.seconds:
                act()
                self._at(self._random.expovariate(per_hour / HOUR), again)

        self._at(self._random.expovariate(per_hour / HOUR), again)

    def _tide(self) -> float:
        """The share of the highest rate of arrivals: a day has a busy and a quiet half."""
        return 0.65 - 0.35 * math.cos(2 * math.pi * self._now / DAY)

    def _slowness(self) -> float:
        """Run times drift by half, up and down, in eight hours."""
        return math.exp(0.4 * math.sin(2 * math.pi * self._now / (8 * HOUR)))

    # ---- what comes in ----------------------------------------------------------------------------------------------

    def _open(self, trade: Trade) -> None:
        for number in range(trade.workers):
            self._join(trade, number)
        self._now_and_then(
            trade.per_hour, lambda: self._arrive(trade) if self._random.random() < self._tide() else None
        )
        self._now_and_then(trade.bursts, lambda: self._burst(trade))
        self._now_and_then(trade.pauses, lambda: self._pause(trade))
        self._now_and_then(0.7, lambda: self._lose_worker(trade))

    def _burst(self, trade: Trade) -> None:
        owner = f"user:{self._random.randrange(trade.owners)}"
        for _ in range(self._random.randrange(trade.burst // 2, trade.burst)):
            self._arrive(trade, owner)

    def _arrive(self, trade: Trade, owner: str = "") -> None:
        rng, dispatcher = self._random, self.dispatcher
        now = dispatcher.clock.now()
        (work,) = rng.choices(trade.works, [work.share for work in trade.works])
        owner = owner or f"user:{rng.randrange(trade.owners)}"
        run_at = now + rng.uniform(60.0, 2 * HOUR) if rng.random() < trade.delayed else now
        key = owner if trade.policy.max_running_per_key else ""
        job = LiveJob(
            str(next(self._numbers)), trade.policy.queue, work.kind, owner, "p", int(rng.random() < trade.urgent), run_at,
            dispatcher.next_seq(), key, "", "{}", "null", 0, trade.policy.max_attempts, 0, now,
        )  # fmt: skip
        dispatcher.add(job)
        self._at(run_at - now, lambda: None)  # somebody looks when it is due
        if rng.random() < trade.cancelled:
            self._at(rng.expovariate(1 / 60.0), lambda: self._cancel(job))

    def _cancel(self, job: LiveJob) -> None:
        if job.place in (Place.DUE, Place.DELAYED):
            self.dispatcher.withdraw(job)
            self.dispatcher.observers.cancelled(job)
            self.dispatcher.forget(job)
            self._asked.pop(job, None)

    def _pause(self, trade: Trade) -> None:
        state = self.dispatcher.queue(trade.policy.queue)
        state.pause = _PAUSE
        self._at(self._random.uniform(60.0, 600.0), lambda: setattr(state, "pause", None))

    # ---- who works --------------------------------------------------------------------------------------------------

    def _join(self, trade: Trade, number: int) -> None:
        queue = trade.policy.queue
        kinds = frozenset(work.kind for work in trade.works)
        session = Session(f"{queue}-{number}-{next(self._numbers)}", f"{queue}-{number}", "p", {queue}, kinds)
        session.attached = True
        session.capacity = {queue: trade.capacity}
        self.dispatcher.sessions[session.id] = session

    def _lose_worker(self, trade: Trade) -> None:
        """A worker drains and leaves; another one comes after a while."""
        mine = [
            each for each in self.dispatcher.sessions.values() if each.attached and trade.policy.queue in each.queues
        ]
        if len(mine) > 1:
            leaving = self._random.choice(mine)
            leaving.draining = True
            leaving.attached = bool(leaving.holding)
            self.dispatcher.drop_session_if_done(leaving.id)
            self._at(self._random.uniform(120.0, 2400.0), lambda: self._join(trade, next(self._numbers)))

    def _hand_out(self) -> None:
        for lease in self._looks.look():
            jobs = list(lease.jobs.values())
            for job in jobs:
                if steps := self._works[job.queue, job.kind].steps:
                    job.step = steps[0][0]
            self.dispatcher.grant(lease)
            for job in jobs:
                self._start(lease, job)

    def _start(self, lease: Lease, job: LiveJob) -> None:
        rng, work = self._random, self._works[job.queue, job.kind]
        seconds = work.median * rng.lognormvariate(0.0, work.sigma) * self._slowness()
        if rng.random() < 0.01:
            seconds *= 8.0
        fails = rng.random() < work.fails
        passed = 0.0
        for (_, share), (step, _) in itertools.pairwise(work.steps):
            passed += share * seconds
            self._at(passed, lambda step=step: self._enter(job, lease, step))
        self._at(seconds * (rng.random() if fails else 1.0), lambda: self._end(lease, job, fails))

    def _enter(self, job: LiveJob, lease: Lease, step: str) -> None:
        if job.lease is lease:
            self.dispatcher.forecast.entered(job, step)
            job.step = step

    def _end(self, lease: Lease, job: LiveJob, fails: bool) -> None:
        dispatcher = self.dispatcher
        now = dispatcher.clock.now()
        if not fails:
            dispatcher.observers.succeeded(lease, [job], now)
            dispatcher.finish(lease, [job])
            self._tell(job)
            return
        end = end_run(job, self._trades[job.queue].policy, Failed(RunError("BROKEN", "", True)), now)
        dispatcher.observers.ended(job, lease, end, now)
        dispatcher.end(job)
        job.attempt, job.run_at = end.attempt, end.run_at
        if end.state is State.PENDING:
            dispatcher.restore(job)
            self._at(max(0.0, job.run_at - now), lambda: None)
        else:
            dispatcher.forget(job)
            self._tell(job)

    # ---- who asks ---------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Somebody looks at a random job of each queue that waits and at one that runs, and sometimes at one not due."""
        if self._now >= self.seconds:
            return
        for queue in self._trades:
            jobs = [job for job in self.dispatcher.jobs.values() if job.queue == queue]
            for place, chance in ((Place.DUE, 1.0), (Place.LEASED, 1.0), (Place.DELAYED, 0.25)):
                some = [job for job in jobs if job.place is place]
                if some and self._random.random() < chance:
                    self._ask(self._random.choice(some))

    def _ask(self, job: LiveJob) -> None:
        estimate = self.dispatcher.forecast.estimate(job)
        if estimate.p50 is None or estimate.p90 is None:
            self.untold[estimate.reason] = self.untold.get(estimate.reason, 0) + 1
            return
        said = (self._now, horizon_of(job, estimate.p50), estimate.p50, estimate.p90)
        self._asked.setdefault(job, []).append(said)

    def _tell(self, job: LiveJob) -> None:
        for at, horizon, p50, p90 in self._asked.pop(job, ()):
            self.told.append(Told(job.queue, job.kind, horizon, p50, p90, self._now - at))

    def _score(self) -> None:
        for queue in self._trades:
            self.dispatcher.forecast.look(queue)


def shares(told: Sequence[Told]) -> tuple[int, float, float]:
    """How many estimates, and the shares whose p50 and p90 held."""
    count = len(told)
    return count, sum(each.p50_held for each in told) / count, sum(each.p90_held for each in told) / count


def groups(told: Sequence[Told]) -> Iterator[tuple[str, str, str, Sequence[Told]]]:
    """By queue, kind and horizon."""
    for queue, kind in sorted({(each.queue, each.kind) for each in told}):
        for horizon in HORIZONS:
            if some := [each for each in told if (each.queue, each.kind, each.horizon) == (queue, kind, horizon)]:
                yield queue, kind, horizon, some
