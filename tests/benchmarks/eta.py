"""Estimates: how often they hold over a day of mixed load, by queue, kind and horizon, and what they cost.

The day is simulated (support/simulated_day.py), with another seed for each repetition; planner, calibration and dispatcher
are the production ones. The costs are CPU time of the event loop, in a queue with a million jobs.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from benchmarks.house import House
from benchmarks.samples import Sample, percentile
from benchmarks.workload import Sizes
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.policy import QueuePolicy
from jobline_queue.dispatch.clock import Clock
from jobline_queue.dispatch.dispatcher import Dispatcher
from jobline_queue.dispatch.session import Session
from support.simulated_day import SimulatedDay, Told, groups, shares

__all__ = ["BAND", "costs", "coverage"]

#: Of all estimates of a day, the share whose p90 must hold.
BAND = (0.85, 0.95)
#: A cell with fewer estimates says little.
_FEWEST = 30
#: How many times a cost is measured, and of how many jobs at once.
_ROUNDS, _ASKED = 30, 100
_QUEUE, _KIND = "long", "noop"


@contextmanager
def coverage(_house: House, sizes: Sizes) -> Iterator[Callable[[], Sample]]:
    seeds = itertools.count(1)

    def measure() -> Sample:
        day = SimulatedDay(next(seeds), sizes.day, score_every=10.0)
        day.run()
        _, _, held = shares(day.told)
        problems = (
            () if BAND[0] <= held <= BAND[1] else (f"p90 held for {held:.1%}, not {BAND[0]:.0%} to {BAND[1]:.0%}",)
        )
        return Sample(dict(_figures(day.told)), problems=problems)

    yield measure


def _figures(told: Sequence[Told]) -> Iterator[tuple[tuple[str, str], float]]:
    yield from _shares("all", told)
    for queue in sorted({each.queue for each in told}):
        yield from _shares(queue, [each for each in told if each.queue == queue])
    for queue, kind, horizon, some in groups(told):
        if len(some) >= _FEWEST:
            _, _, p90 = shares(some)
            yield (f"{queue}, {kind}, {horizon}: p90 held", "%"), 100 * p90


def _shares(what: str, told: Sequence[Told]) -> Iterator[tuple[tuple[str, str], float]]:
    count, p50, p90 = shares(told)
    yield (what, "estimates"), count
    yield (f"{what}: p50 held", "%"), 100 * p50
    yield (f"{what}: p90 held", "%"), 100 * p90


def costs(_house: House, sizes: Sizes) -> Sample:
    now = [0.0]
    dispatcher = _long_line(sizes.pending, lambda: now[0])
    order = dispatcher.queue(_QUEUE).order
    jobs = [job for index, job in enumerate(order) if index % (sizes.pending // _ASKED) == 0][:_ASKED]
    positions = dispatcher.positions(jobs)
    forecast = dispatcher.forecast
    anew, again, looks = [], [], []
    for _ in range(_ROUNDS):
        now[0] += 1.0
        anew.append(_milliseconds(lambda: forecast.estimates(jobs[:1], positions[:1])))
        again.append(_milliseconds(lambda: forecast.estimates(jobs, positions)))
        now[0] += 1.0
        looks.append(_milliseconds(lambda: forecast.look(_QUEUE)))
    return Sample(
        {
            ("a new plan, median", "ms"): percentile(anew, 50),
            ("a new plan, p90", "ms"): percentile(anew, 90),
            (f"{_ASKED} estimates, median", "ms"): percentile(again, 50),
            ("a look at a queue, median", "ms"): percentile(looks, 50),
        }
    )


def _milliseconds(act: Callable[[], object]) -> float:
    begin = time.thread_time()
    act()
    return (time.thread_time() - begin) * 1000


def _long_line(jobs: int, monotonic: Callable[[], float]) -> Dispatcher:
    """A queue in which so many jobs wait and twenty run."""
    dispatcher = Dispatcher({_QUEUE: QueuePolicy(_QUEUE)}, Clock(1_800_000_000.0, monotonic), 1, 0)
    session = Session("s", "w", "p", {_QUEUE}, frozenset({_KIND}))
    session.attached = True
    session.capacity = {_QUEUE: 20}
    dispatcher.sessions[session.id] = session
    at = dispatcher.clock.now()
    for number in range(jobs + 220):
        dispatcher.add(
            LiveJob(str(number), _QUEUE, _KIND, "", "p", 0, at, number, "", "", "{}", "null", 0, 3, 0, created_at=at)
        )
    for length in range(10):
        lease = dispatcher.pick(session, _QUEUE, at)
        assert lease is not None
        dispatcher.grant(lease)
        done = list(lease.jobs.values())
        dispatcher.observers.succeeded(lease, done, at + 5.0 + length)
        dispatcher.finish(lease, done)
    lease = dispatcher.pick(session, _QUEUE, at)
    assert lease is not None
    dispatcher.grant(lease)
    return dispatcher
