"""Nobody looks at the queues but for a reason, so every job that may start must give one: a wake-up, or a time to wait for.

The clock of these tests goes on with every reading of it, as a real one does, so that time passes *within* a look.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobline_queue.core.live_job import Lease, LiveJob, Place
from jobline_queue.core.policy import Order, QueuePolicy, Rate
from jobline_queue.core.stored_queue import Pause
from jobline_queue.dispatch.clock import Clock
from jobline_queue.dispatch.dispatcher import Dispatcher
from jobline_queue.dispatch.looks import Looks
from jobline_queue.dispatch.session import Session

POLICIES = {
    "free": QueuePolicy("free"),
    "two": QueuePolicy("two", max_running=2),
    "keyed": QueuePolicy("keyed", max_running_per_key=1),
    "fair": QueuePolicy("fair", order=Order.FAIR),
    "rated": QueuePolicy("rated", rate=Rate(2, 1.0)),
}
QUEUES = st.sampled_from(sorted(POLICIES))
KINDS = {"s1": frozenset({"a", "b"}), "s2": frozenset({"b"})}
SESSIONS = st.sampled_from(sorted(KINDS))
#: Readings of the clock; a look takes some twenty, so many jobs come due in the middle of one.
DELAYS = st.one_of(st.just(0), st.integers(1, 60), st.integers(100, 3000))


class House:
    """A dispatcher whose claimer sleeps until it is woken, as `Claimer.run` does."""

    def __init__(self, tick: float) -> None:
        self.time, self._tick = 1_000.0, tick
        self.dispatcher = Dispatcher(POLICIES, Clock(self.time, self._read), 1, 10_000)
        self.looks = Looks(self.dispatcher)
        self._numbers = itertools.count(1)
        for name, kinds in KINDS.items():
            session = Session(name, name, "p", set(POLICIES), kinds)
            session.attached = True
            session.capacity = dict.fromkeys(POLICIES, 1)
            self.dispatcher.sessions[name] = session

    def _read(self) -> float:
        self.time += self._tick
        return self.time

    def make(self, queue: str, kind: str, key: str, delay: int) -> LiveJob:
        """A job that is due after so many readings of the clock."""
        now = self.dispatcher.clock.now()
        number, run_at = next(self._numbers), now + delay * self._tick
        return LiveJob(f"job-{number}", queue, kind, "", "p", 0, run_at, number, key, "", "{}", "null", 0, 3, 0, now)

    def wake(self) -> list[Lease]:
        """Looks until nothing more is found; every claim is stored."""
        granted: list[Lease] = []
        while leases := self.looks.look():
            for lease in leases:
                self.dispatcher.grant(lease)
            granted += leases
        return granted

    def idle(self) -> None:
        """Nothing happens any more but that time passes. A timer takes a millisecond at least, and may fire too soon."""
        while (at := self.looks.next_at) is not None:
            self.time = max(self.time + 0.001, at - 0.0005)
            self.wake()

    def end_one(self) -> None:
        running = [job for lease in self.dispatcher.leases.values() for job in lease.jobs.values()]
        if running:
            self.dispatcher.end(running[0])
            self.dispatcher.forget(running[0])
        self.wake()

    def forgotten(self) -> list[LiveJob]:
        """Jobs that may start, while the claimer sleeps."""
        return [job for job in self.dispatcher.jobs.values() if self._may_start(job)]

    def _may_start(self, job: LiveJob) -> bool:
        if job.place is Place.DELAYED:
            return True  # its time was not waited for
        state = self.dispatcher.queue(job.queue)
        return (
            job.place is Place.DUE
            and bool(state.startable(1, self.dispatcher.clock.now()))
            and not state.order.key_is_full(job)
            and any(
                session.room(job.queue) and job.kind in session.kinds for session in self.dispatcher.sessions.values()
            )
        )


def _add(queue: str, kind: str, key: str, delay: int) -> Callable[[House], None]:
    def act(house: House) -> None:
        house.dispatcher.add(house.make(queue, kind, key, delay))
        house.wake()

    return act


def _ask_for(session: str, queue: str, jobs: int) -> Callable[[House], None]:
    def act(house: House) -> None:
        house.dispatcher.sessions[session].capacity[queue] = jobs
        house.wake()

    return act


def _pause(queue: str, paused: bool) -> Callable[[House], None]:
    def act(house: House) -> None:
        house.dispatcher.queue(queue).pause = Pause("x") if paused else None
        house.wake()

    return act


def _finisher_picks(queue: str) -> Callable[[House], None]:
    """A flush of the finisher takes what comes next, and is refused; its end wakes the claimer."""

    def act(house: House) -> None:
        now = house.dispatcher.clock.now()
        for session in house.dispatcher.sessions.values():
            if lease := house.dispatcher.pick(session, queue, now):
                house.dispatcher.unpick(lease)
        house.wake()

    return act


_ACTS = st.one_of(
    st.builds(_add, QUEUES, st.sampled_from("ab"), st.sampled_from(("", "x")), DELAYS),
    st.builds(_ask_for, SESSIONS, QUEUES, st.integers(0, 3)),
    st.builds(_pause, QUEUES, st.booleans()),
    st.builds(_finisher_picks, QUEUES),
    st.just(House.end_one),
)


@given(tick=st.sampled_from((0.000_01, 0.001, 0.02)), acts=st.lists(_ACTS, max_size=25))
def test_no_job_that_may_start_is_forgotten(tick: float, acts: list[Callable[[House], None]]):
    house = House(tick)
    for act in acts:
        act(house)
    house.idle()
    assert house.forgotten() == []


@pytest.mark.parametrize("queue", sorted(POLICIES))
def test_a_job_that_comes_due_while_queues_are_looked_at_has_a_time_to_wait_for(queue: str):
    """Queues are passed one by one. In each case the job comes due a step later within the look, or after it."""
    for step in range(40):
        house = House(tick=0.001)
        house.time += 2.0  # the windows of rates begin used up
        job = house.make(queue, "b", "", step)
        house.dispatcher.add(job)
        house.wake()
        assert job.place is Place.LEASED or house.looks.next_at == job.run_at
        house.idle()
        assert job.place is Place.LEASED


def test_a_rate_whose_window_ends_while_queues_are_looked_at_has_a_time_to_wait_for():
    for step in range(40):
        house = House(tick=0.001)
        house.time += 2.0
        jobs = [house.make("rated", "b", "", 0) for _ in range(3)]
        for job in jobs:
            house.dispatcher.add(job)
        for lease in house.wake():
            house.dispatcher.finish(lease, list(lease.jobs.values()))
        ends = house.looks.next_at
        assert ends is not None
        house.time = ends - step / 1000
        house.wake()
        house.idle()
        assert [job.place for job in jobs] == [Place.NOWHERE, Place.NOWHERE, Place.LEASED]
