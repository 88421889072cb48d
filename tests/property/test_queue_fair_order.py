"""Fair order beside a model that picks one job after another by looking at all of them, and what it promises to owners."""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.new_job import MAX_PRIORITY, MIN_PRIORITY
from jobline_queue.dispatch.fair_order import FairOrder

KINDS = ("a", "b")
OWNERS = ("", "ann", "ben", "cid")
WEIGHTS = {"ben": 3, "cid": 2}


def make(seq: int, owner: str, kind: str = "a", key: str = "", priority: int = 0) -> LiveJob:
    return LiveJob(str(seq), "q", kind, owner, "p", priority, 1.0, seq, key, "", "{}", "null", 0, 3, 0, created_at=1.0)


@dataclass
class Model:
    """Virtual times as fractions of a round of weight 1, in 720720ths so that they are exact."""

    limit: int
    now: int = 0
    numbers: int = 0
    #: owner → [pass, number]
    owners: dict[str, list[int]] = field(default_factory=dict)
    waiting: list[LiveJob] = field(default_factory=list)
    running: list[LiveJob] = field(default_factory=list)

    def stride(self, owner: str) -> int:
        return 720_720 // WEIGHTS.get(owner, 1)

    def enter(self, owner: str) -> None:
        if owner not in self.owners:
            self.owners[owner] = [self.now + self.stride(owner), self.numbers]
            self.numbers += 1

    def leave(self, owner: str) -> None:
        if not any(job.owner == owner for job in [*self.waiting, *self.running]):
            del self.owners[owner]

    def is_full(self, job: LiveJob) -> bool:
        return bool(self.limit and job.key) and sum(each.key == job.key for each in self.running) >= self.limit

    def pick(self, kinds: set[str]) -> LiveJob | None:
        able = [job for job in self.waiting if job.kind in kinds and not self.is_full(job)]
        if not able:
            return None
        job = min(able, key=lambda each: (*self.owners[each.owner], each.rank))
        self.waiting.remove(job)
        self.running.append(job)
        owner = self.owners[job.owner]
        self.now = max(self.now, owner[0])
        owner[0] = self.now + self.stride(job.owner)
        return job

    def pick_past(self, job: LiveJob) -> None:
        self.waiting.remove(job)
        self.running.append(job)
        owner = self.owners[job.owner]
        owner[0] = max(self.now, owner[0]) + self.stride(job.owner)

    def as_they_would_start(self) -> list[LiveJob]:
        """All jobs that wait, picked one after another with no limit on keys."""
        free = Model(0, self.now, self.numbers, copy.deepcopy(self.owners), list(self.waiting))
        return [free.pick(set(KINDS)) for _ in self.waiting]


class FairOrderBesideAModel(RuleBasedStateMachine):
    @initialize(limit=st.integers(0, 2))
    def begin(self, limit: int) -> None:
        self.model = Model(limit)
        self.order = FairOrder(limit, WEIGHTS)
        self.numbers = itertools.count(1)

    @rule(
        owner=st.sampled_from(OWNERS),
        kind=st.sampled_from(KINDS),
        key=st.sampled_from(("", "x", "y")),
        priority=st.sampled_from((MIN_PRIORITY, 0, 1, MAX_PRIORITY)),
        count=st.integers(1, 4),
    )
    def add(self, owner: str, kind: str, key: str, priority: int, count: int) -> None:
        for _ in range(count):
            job = make(next(self.numbers), owner, kind, key, priority)
            self.model.enter(owner)
            self.model.waiting.append(job)
            self.order.add(job)

    @rule(kinds=st.sets(st.sampled_from(KINDS), min_size=1), most=st.integers(1, 6))
    def take(self, kinds: set[str], most: int) -> None:
        expected = list(itertools.takewhile(bool, (self.model.pick(kinds) for _ in range(most))))
        assert self.order.next(kinds) is (expected[0] if expected else None)
        assert self.order.take(kinds, most) == expected

    @precondition(lambda self: any(not self.model.is_full(job) for job in self.model.waiting))
    @rule(data=st.data())
    def take_past_all_others(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from([job for job in self.model.waiting if not self.model.is_full(job)]))
        self.model.pick_past(job)
        self.order.take_past(job)

    @rule(owner=st.sampled_from(OWNERS), key=st.sampled_from(("", "x")))
    def find_running(self, owner: str, key: str) -> None:
        job = make(next(self.numbers), owner, key=key)
        self.model.enter(owner)
        self.model.running.append(job)
        self.order.started(job)

    @precondition(lambda self: self.model.running)
    @rule(data=st.data(), what=st.sampled_from(("ends", "runs again", "goes back")))
    def end(self, data: st.DataObject, what: str) -> None:
        job = data.draw(st.sampled_from(self.model.running))
        if what == "goes back":
            self.model.waiting.append(job)
            self.order.add(job)
            owner = self.model.owners[job.owner]
            owner[0] -= self.model.stride(job.owner)
            self.model.now = min(self.model.now, owner[0])
        self.model.running.remove(job)
        self.order.ended(job, unpaid=what == "goes back")
        self.model.leave(job.owner)
        if what == "runs again":
            self.model.enter(job.owner)
            self.model.waiting.append(job)
            self.order.add(job)

    @precondition(lambda self: self.model.waiting)
    @rule(data=st.data())
    def discard(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.model.waiting))
        self.model.waiting.remove(job)
        self.model.leave(job.owner)
        assert self.order.discard(job)
        assert not self.order.discard(job)

    @invariant()
    def positions_are_those_of_picking_one_after_another(self) -> None:
        ahead = self.model.as_they_would_start()
        assert self.order.head() is (ahead[0] if ahead else None)
        places = {job.id: place for place, job in enumerate(ahead, 1)}
        by_rank = sorted(ahead, key=lambda job: job.rank)
        assert self.order.positions(by_rank) == [places[job.id] for job in by_rank]
        assert [self.order.positions([job]) for job in ahead[::7]] == [[place] for place in range(1, len(ahead) + 1, 7)]

    @invariant()
    def everything_is_there(self) -> None:
        by_rank = sorted(self.model.waiting, key=lambda job: job.rank)
        assert list(self.order) == by_rank
        assert len(self.order) == len(by_rank)
        assert self.order.first() is (by_rank[0] if by_rank else None)
        assert self.order.kinds() == {job.kind for job in by_rank}
        assert all(self.order.key_is_full(job) == self.model.is_full(job) for job in by_rank)
        for owner in OWNERS:
            listed = {job.seq for job in self.order.listed(owner)}
            assert listed == {job.seq for job in by_rank if owner in ("", job.owner)}


TestFairOrderBesideAModel = FairOrderBesideAModel.TestCase
TestFairOrderBesideAModel.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(OWNERS), st.integers(1, 30)), max_size=30),
    st.lists(st.integers(1, 9), min_size=1, max_size=40),
)
def test_owners_that_always_have_jobs_are_served_alike_by_their_weights(
    before: list[tuple[str, int]], takes: list[int]
):
    """Invariant I8, whatever happened before: between any two moments, each gets as many rounds as any other, to one job."""
    order = FairOrder(0, WEIGHTS)
    numbers = itertools.count(1)
    for owner, jobs in before:
        for _ in range(jobs):
            order.add(make(next(numbers), owner))
        order.take({"a"}, jobs // 2)
    for owner in OWNERS:
        for _ in range(400):
            order.add(make(next(numbers), owner))
    rounds = dict.fromkeys(OWNERS, 0.0)
    lowest = dict.fromkeys(itertools.permutations(OWNERS, 2), 0.0)
    for most in takes:
        for job in order.take({"a"}, most):
            rounds[job.owner] += 1 / WEIGHTS.get(job.owner, 1)
            for one, other in lowest:
                ahead = rounds[one] - rounds[other]
                lowest[one, other] = min(lowest[one, other], ahead)
                most_at_once = max(1 / WEIGHTS.get(one, 1), 1 / WEIGHTS.get(other, 1))
                assert ahead - lowest[one, other] <= 2 * most_at_once


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(2, 40), st.integers(0, 2))
def test_an_owner_that_spreads_over_many_keys_gets_no_more_turns(takes: int, keys: int, limit: int):
    order = FairOrder(limit)
    for seq in range(400):
        order.add(make(seq, "spreads", key=f"key-{seq % keys}"))
        order.add(make(1000 + seq, "plain"))
    taken = order.take({"a"}, takes)
    if not limit:
        assert abs(sum(job.owner == "spreads" for job in taken) * 2 - takes) <= 1
    assert sum(job.owner == "spreads" for job in taken) * 2 <= takes + 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(OWNERS), st.integers(-1, 1)), min_size=1, max_size=40), st.integers(1, 40))
def test_a_claim_that_was_not_stored_leaves_the_order_as_it_was(jobs: list[tuple[str, int]], most: int):
    order, other = FairOrder(0, WEIGHTS), FairOrder(0, WEIGHTS)
    for seq, (owner, priority) in enumerate(jobs):
        for each in (order, other):
            each.add(make(seq, owner, priority=priority))
    for job in order.take({"a"}, most):
        order.add(job)
        order.ended(job, unpaid=True)
    again = [order.take({"a"}, 1)[0].seq for _ in jobs]
    assert again == [job.seq for job in other.take({"a"}, len(jobs))]


def test_an_owner_that_waited_for_a_key_has_no_turns_saved_up():
    order = FairOrder(1)
    for seq in range(50):
        order.add(make(seq, "blocked", key="x"))
        order.add(make(100 + seq, "other"))
    (first, *_) = order.take({"a"}, 20)
    assert first.owner == "blocked"
    order.ended(first)
    for seq in range(200, 210):
        order.add(make(seq, "blocked"))
    assert sum(job.owner == "blocked" for job in order.take({"a"}, 10)) <= 6


def test_an_endless_stream_of_new_owners_starves_nobody():
    order = FairOrder()
    for seq in range(5):
        order.add(make(seq, "old"))
    served: list[str] = []
    for seq in range(100, 120):
        order.add(make(seq, f"new-{seq}"))
        (job,) = order.take({"a"}, 1)
        served.append(job.owner)
        order.ended(job)
    assert served.count("old") == 5
