"""The dispatcher's memory under every mixture of acts: limits hold, counters never drift, nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jobline_queue.core.live_job import Lease, LiveJob, Place
from jobline_queue.core.policy import Order, QueuePolicy
from jobline_queue.dispatch import open_scopes
from jobline_queue.dispatch.clock import Clock
from jobline_queue.dispatch.dispatcher import Dispatcher
from jobline_queue.dispatch.due_scope import DueScope
from jobline_queue.dispatch.open_scopes import OpenScopes
from jobline_queue.dispatch.positions import WAITING, head
from jobline_queue.dispatch.session import Session

POLICIES = {
    "free": QueuePolicy("free"),
    "two": QueuePolicy("two", max_running=2),
    "keyed": QueuePolicy("keyed", max_running_per_key=1),
    "fair": QueuePolicy("fair", order=Order.FAIR, weights={"ann": 2}),
    "fair_keyed": QueuePolicy("fair_keyed", order=Order.FAIR, max_running_per_key=1, expires_after=20.0),
}
QUEUES = sorted(POLICIES)
KINDS = frozenset({"a", "b"})
SESSIONS = {"s1": KINDS, "s2": frozenset({"b"})}


@pytest.fixture(autouse=True)
def one_job_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_scopes, "SLICE", 1)


class DispatcherMachine(RuleBasedStateMachine):
    """`picked` are leases that wait for their commit, `withdrawn` jobs that wait for their removal."""

    @initialize()
    def begin(self) -> None:
        self.time = 1_000.0
        self.dispatcher = Dispatcher(POLICIES, Clock(0.0, lambda: self.time), 1, 10_000)
        for name, kinds in SESSIONS.items():
            session = Session(name, name, "p", set(QUEUES), kinds)
            session.attached = True
            self.dispatcher.sessions[name] = session
        self.numbers = itertools.count(1)
        self.known: set[str] = set()
        self.picked: list[Lease] = []
        self.withdrawn: list[LiveJob] = []

    def running(self) -> list[LiveJob]:
        return [job for lease in self.dispatcher.leases.values() for job in lease.jobs.values()]

    def waiting(self) -> list[LiveJob]:
        waits = (Place.DUE, Place.DELAYED, Place.HELD_BACK)
        return [job for job in self.dispatcher.jobs.values() if job.place in waits]

    def make(self, queue: str, kind: str, key: str, delay: float, owner: str = "") -> LiveJob:
        now = self.dispatcher.clock.now()
        number, seq = next(self.numbers), self.dispatcher.next_seq()
        job = LiveJob(
            f"job-{number}", queue, kind, owner, "p", 0, now + delay, seq, key, "", "{}", "null", 0, 3, 0, now
        )
        self.known.add(job.id)
        return job

    @rule(
        queue=st.sampled_from(QUEUES),
        kind=st.sampled_from(("a", "b", "nobody")),
        key=st.sampled_from(("", "x", "y")),
        delay=st.sampled_from((0.0, 0.0, 5.0)),
        owner=st.sampled_from(("", "ann", "ben")),
    )
    def add(self, queue: str, kind: str, key: str, delay: float, owner: str) -> None:
        self.dispatcher.add(self.make(queue, kind, key, delay, owner))

    @rule(session=st.sampled_from(sorted(SESSIONS)), queue=st.sampled_from(QUEUES), jobs=st.integers(0, 3))
    def set_capacity(self, session: str, queue: str, jobs: int) -> None:
        self.dispatcher.sessions[session].capacity[queue] = jobs

    @rule(seconds=st.sampled_from((1.0, 6.0)), noticed=st.booleans())
    def pass_time(self, seconds: float, noticed: bool) -> None:
        self.time += seconds
        if noticed:
            self.dispatcher.admit_due(self.dispatcher.clock.now())

    @rule(session=st.sampled_from(sorted(SESSIONS)), queue=st.sampled_from(QUEUES))
    def pick(self, session: str, queue: str) -> None:
        worker = self.dispatcher.sessions[session]
        room = worker.room(queue)
        lease = self.dispatcher.pick(worker, queue, self.dispatcher.clock.now())
        if lease is not None:
            assert 0 < len(lease.jobs) <= room
            assert all(job.kind in worker.kinds for job in lease.jobs.values())
            self.picked.append(lease)

    @rule(queue=st.sampled_from(QUEUES), kind=st.sampled_from(("a", "b")))
    def hand_off_directly(self, queue: str, kind: str) -> None:
        job = self.make(queue, kind, "", 0.0)
        behind = len(self.dispatcher.queue(queue).order)
        leases = self.dispatcher.pick_new(queue, [job])
        assert not (leases and behind), "a new job never passes one that waits"
        assert {lease.session_id for lease in leases} <= set(SESSIONS), "nor is it in a scope that was opened before"
        self.dispatcher.learn(job) if leases else self.dispatcher.add(job)
        self.picked += leases

    @precondition(lambda self: self.picked)
    @rule(data=st.data(), committed=st.booleans())
    def settle_claim(self, data: st.DataObject, committed: bool) -> None:
        lease = data.draw(st.sampled_from(self.picked))
        self.picked.remove(lease)
        if committed:
            self.dispatcher.grant(lease)
        else:
            self.dispatcher.unpick(lease)

    @precondition(lambda self: self.picked)
    @rule(data=st.data())
    def find_a_row_gone(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.picked))
        job = data.draw(st.sampled_from(sorted(lease.jobs.values(), key=lambda job: job.seq)))
        self.dispatcher.drop_picked(lease, job)
        self.known.remove(job.id)
        if not lease.jobs:
            self.picked.remove(lease)

    @precondition(lambda self: self.picked)
    @rule(data=st.data())
    def find_a_row_locked(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.picked))
        job = data.draw(st.sampled_from(sorted(lease.jobs.values(), key=lambda job: job.seq)))
        self.dispatcher.hold_back(lease, job)
        assert job.place in (Place.HELD_BACK, Place.NOWHERE), "nobody picks it for a moment"
        if not lease.jobs:
            self.picked.remove(lease)

    @precondition(lambda self: self.running())
    @rule(data=st.data(), again=st.sampled_from((None, 0.0, 5.0)))
    def end(self, data: st.DataObject, again: float | None) -> None:
        job = data.draw(st.sampled_from(self.running()))
        self.dispatcher.end(job)
        if again is None:
            self.dispatcher.forget(job)
            self.known.remove(job.id)
        else:
            job.run_at = self.dispatcher.clock.now() + again
            self.dispatcher.restore(job)

    @precondition(lambda self: self.waiting())
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.waiting()))
        self.dispatcher.withdraw(job)
        self.withdrawn.append(job)

    @precondition(lambda self: self.withdrawn)
    @rule(removed=st.booleans())
    def settle_withdrawal(self, removed: bool) -> None:
        job = self.withdrawn.pop()
        if removed:
            self.dispatcher.forget(job)
            self.known.remove(job.id)
        else:
            self.dispatcher.restore(job)

    @invariant()
    def every_job_is_in_exactly_one_place(self) -> None:
        picked = [job for lease in self.picked for job in lease.jobs.values()]
        due = [job for name in QUEUES for job in self.dispatcher.queue(name).order]
        delayed = [job for job in self.dispatcher.jobs.values() if job.place is Place.DELAYED]
        waiting = [*picked, *due, *delayed, *self.held_back()]
        places = [*waiting, *self.running(), *self.withdrawn, *self.dispatcher.expired]
        assert sorted(job.id for job in places) == sorted(self.known)

    @invariant()
    def what_is_held_back_is_due(self) -> None:
        now, held_back = self.dispatcher.clock.now(), self.held_back()
        assert self.dispatcher.held_back == len(held_back)
        assert all(job.place is Place.HELD_BACK and job.run_at <= now for job in held_back)
        self.dispatcher.admit_due(now)
        states = [self.dispatcher.queue(name) for name in QUEUES]
        due = [until for state in states for until in state.held_back.values()]
        assert all(until > now for until in due)
        assert min(due, default=math.inf) >= min(state.next_due for state in states)

    def held_back(self) -> list[LiveJob]:
        return [job for name in QUEUES for job in self.dispatcher.queue(name).held_back]

    @rule()
    def ask_for_positions(self) -> None:
        picked = [job for lease in self.picked for job in lease.jobs.values()]
        jobs = list({job.id: job for job in (*self.dispatcher.jobs.values(), *picked)}.values())
        for job, position in zip(jobs, self.dispatcher.positions(jobs), strict=True):
            assert self.dispatcher.position(job) == position
        for name in QUEUES:
            waiting = [job for job in jobs if job.queue == name and job.place in WAITING]
            self.line_is_as_it_must_be(name, waiting)
            assert not any(self.dispatcher.positions([job for job in jobs if job.place not in WAITING]))

    def line_is_as_it_must_be(self, queue: str, waiting: list[LiveJob]) -> None:
        """By rank in a FIFO queue; in a fair one its own test says how. What is picked had its turn, and delayed jobs come
        last."""
        line = sorted(waiting, key=self.dispatcher.position)
        assert self.dispatcher.positions(line) == list(range(1, len(line) + 1))
        due = [job for job in waiting if job.place is not Place.DELAYED]
        assert not [job for job in due if job.run_at > self.time]
        later = sorted((job for job in waiting if job.place is Place.DELAYED), key=lambda job: (job.run_at, job.seq))
        assert line[len(due) :] == later
        assert head(self.dispatcher.queue(queue)) is (line[0] if due else None)
        if POLICIES[queue].is_fair:
            picked = list(self.dispatcher.queue(queue).picked)
            assert line[: len(picked)] == picked
        else:
            assert line[: len(due)] == sorted(due, key=lambda job: job.rank)

    @invariant()
    def counters_say_what_is_there(self) -> None:
        running, picked = self.running(), [job for lease in self.picked for job in lease.jobs.values()]
        for name in QUEUES:
            state = self.dispatcher.queue(name)
            assert state.running == sum(job.queue == name for job in running)
            assert state.taken == sum(job.queue == name for job in (*running, *picked))
            waits = [job for job in self.dispatcher.jobs.values() if job.queue == name]
            assert state.delayed == sum(job.place is Place.DELAYED for job in waits)
            due = [job for job in waits if job.place in (Place.DUE, Place.HELD_BACK)]
            assert state.ready == len(due) + sum(job.queue == name for job in picked)
        leases = [*self.dispatcher.leases.values(), *self.picked]
        for session in self.dispatcher.sessions.values():
            assert session.holding == sum(len(lease.jobs) for lease in leases if lease.session_id == session.id)

    @invariant()
    def limits_hold(self) -> None:
        busy = [*self.running(), *(job for lease in self.picked for job in lease.jobs.values())]
        assert sum(job.queue == "two" for job in busy) <= 2
        for name in ("keyed", "fair_keyed"):
            keys = [job.key for job in busy if job.queue == name and job.key]
            assert len(keys) == len(set(keys))


TestDispatcher = DispatcherMachine.TestCase
TestDispatcher.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)


@dataclass
class Claimer:
    """A call that claims from a scope; `opening` is done once it is filled."""

    session: Session
    use: contextlib.AbstractAsyncContextManager[DueScope]
    opening: asyncio.Task[DueScope]

    @property
    def scope(self) -> DueScope | None:
        return self.opening.result() if self.opening.done() else None


class ScopeMachine(DispatcherMachine):
    """The same with calls that claim from scopes, which are filled by one job a turn of the event loop."""

    @initialize()
    def begin(self) -> None:
        super().begin()
        self.loop = asyncio.new_event_loop()
        self.scopes = OpenScopes(self.dispatcher)
        self.claimers: list[Claimer] = []
        self.calls = 0

    def teardown(self) -> None:
        for claimer in self.claimers:
            self.loop.run_until_complete(claimer.opening)
            self.hang_up(claimer)
        for task in asyncio.all_tasks(self.loop):
            self.loop.run_until_complete(task)
        self.loop.close()

    def hang_up(self, claimer: Claimer) -> None:
        claimer.session.attached = False
        if claimer.scope is not None:
            claimer.scope.sessions.discard(claimer.session)
        self.loop.run_until_complete(claimer.use.__aexit__(None, None, None))

    @rule(queue=st.sampled_from(QUEUES), owner=st.sampled_from(("", "ann", "nobody")), jobs=st.integers(0, 5))
    def call(self, queue: str, owner: str, jobs: int) -> None:
        for _ in range(jobs):
            self.dispatcher.add(self.make(queue, "a", "", 0.0, owner))
        use = self.scopes.use(queue, owner, KINDS, self.dispatcher.clock.now())
        self.calls += 1
        session = Session(f"call-{self.calls}", "", "p", {queue}, KINDS)
        session.attached = True
        self.dispatcher.sessions[session.id] = session
        self.claimers.append(Claimer(session, use, self.loop.create_task(use.__aenter__())))
        self.turn()  # the call opens the scope, or finds it

    @rule()
    def turn(self) -> None:
        self.loop.run_until_complete(asyncio.sleep(0))

    @precondition(lambda self: any(claimer.scope for claimer in self.claimers))
    @rule(data=st.data(), most=st.integers(1, 4))
    def claim(self, data: st.DataObject, most: int) -> None:
        claimer = data.draw(st.sampled_from([claimer for claimer in self.claimers if claimer.scope]))
        session, scope = claimer.session, claimer.scope
        assert scope is not None
        session.scope = scope
        session.capacity[scope.queue] = session.holding + most
        scope.sessions.add(session)
        state = self.dispatcher.queue(scope.queue)
        self.dispatcher.expire()
        self.dispatcher.admit_due(self.dispatcher.clock.now())  # a claim notices what came due since anybody looked
        expected: list[LiveJob] = []
        for job in sorted(state.order, key=lambda job: job.rank):
            same = bool(job.key) and job.key in {each.key for each in expected}
            blocked = state.order.key_is_full(job) or (state.policy.max_running_per_key and same)
            if scope.covers(job) and not blocked and len(expected) < state.startable(most, 0.0):
                expected.append(job)
        lease = self.dispatcher.pick(session, scope.queue, self.dispatcher.clock.now())
        assert [job.id for job in (lease.jobs.values() if lease else ())] == [job.id for job in expected]
        if lease is not None:
            self.picked.append(lease)

    @precondition(lambda self: any(claimer.scope for claimer in self.claimers))
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        claimer = data.draw(st.sampled_from([claimer for claimer in self.claimers if claimer.scope]))
        self.claimers.remove(claimer)
        self.hang_up(claimer)

    @invariant()
    def a_scope_has_what_waits_and_runs_in_it(self) -> None:
        picked = {job.id: job for lease in self.picked for job in lease.jobs.values()}
        live = list({**self.dispatcher.jobs, **picked}.values())
        for claimer in self.claimers:
            if (scope := claimer.scope) is None:
                continue
            mine = [job for job in live if job.queue == scope.queue and scope.covers(job)]
            running = [job for job in mine if job.lease and job.lease.session_id != claimer.session.id]
            waiting = [job for job in mine if job.place in (Place.DUE, Place.PICKED, Place.HELD_BACK)]
            unsure = [job for job in mine if job.place is Place.NOWHERE]
            left = scope.left(claimer.session, paused=False)
            assert left.running == len(running)
            assert len(waiting) <= left.pending <= len(waiting) + len(unsure)
            assert not [job for job in mine if job.place is Place.DELAYED]


TestScopes = ScopeMachine.TestCase
TestScopes.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


async def test_a_scope_takes_in_what_comes_due_as_it_is_opened_and_leaves_out_what_ends_while_it_is_filled():
    now = [1_000.0]
    dispatcher = Dispatcher(POLICIES, Clock(now[0], lambda: now[0]), 1, 10_000)
    jobs = [
        LiveJob(f"j{n}", "free", "a", "", "p", 0, 1_000.0 + n, n, "", "", "{}", "null", 0, 3, 0, 1_000.0)
        for n in range(4)
    ]
    for job in jobs:
        dispatcher.add(job)
    now[0] = 1_002.0
    use = OpenScopes(dispatcher).use("free", "", KINDS, 1_002.0)
    opening = asyncio.create_task(use.__aenter__())
    await asyncio.sleep(0)
    for job in (jobs[1], jobs[3]):
        dispatcher.withdraw(job)
        dispatcher.forget(job)
    scope = await opening
    assert scope.left(Session("s", "s", "p", {"free"}, KINDS), paused=False) == (1_002.0, 2, 0, False)
    assert scope.next is jobs[0]
    await use.__aexit__(None, None, None)


def test_the_next_job_of_a_limited_queue_is_not_picked_for_a_worker_that_asked_for_none():
    dispatcher = Dispatcher(POLICIES, Clock(1_000.0), 1, 10_000)
    session = Session("s", "s", "p", {"two"}, frozenset({"a"}))
    session.attached = True
    session.hold("two", 1)
    dispatcher.sessions["s"] = session
    job = LiveJob("j", "two", "a", "", "p", 0, 0.0, 1, "", "", "{}", "null", 0, 3, 0, 0.0)
    dispatcher.add(job)
    session.capacity["two"] = 0
    assert dispatcher.pick(session, "two", 1_000.0, freed=1, ended=1) is None
    session.capacity["two"] = 1
    assert dispatcher.pick(session, "two", 1_000.0, freed=1, ended=1) is not None
