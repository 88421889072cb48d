"""The order of due jobs beside a model that is one sorted list."""

from __future__ import annotations

import itertools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.new_job import MAX_PRIORITY, MIN_PRIORITY
from jobline_queue.dispatch.order import FifoOrder

KINDS = ("a", "b", "c")


def make(seq: int, kind: str, key: str, priority: int, run_at: float) -> LiveJob:
    return LiveJob(
        str(seq), "q", kind, "", "p", priority, run_at, seq, key, "", "{}", "null", 0, 3, 0, created_at=run_at
    )


class OrderBesideAList(RuleBasedStateMachine):
    """`waiting` and `running` are the whole truth; a take is a walk over the sorted list."""

    @initialize(limit=st.integers(0, 2))
    def begin(self, limit: int) -> None:
        self.limit = limit
        self.order = FifoOrder(limit)
        self.waiting: list[LiveJob] = []
        self.running: list[LiveJob] = []
        self.numbers = itertools.count(1)

    @rule(
        kind=st.sampled_from(KINDS),
        key=st.sampled_from(("", "x", "y")),
        priority=st.sampled_from((MIN_PRIORITY, 0, 1, MAX_PRIORITY)),
        run_at=st.sampled_from((1.0, 2.0)),
    )
    def add(self, kind: str, key: str, priority: int, run_at: float) -> None:
        job = make(next(self.numbers), kind, key, priority, run_at)
        self.order.add(job)
        self.waiting.append(job)

    @rule(kinds=st.sets(st.sampled_from(KINDS), min_size=1), most=st.integers(1, 5))
    def take(self, kinds: set[str], most: int) -> None:
        expected: list[LiveJob] = []
        for job in sorted(self.waiting, key=lambda job: job.rank):
            if len(expected) < most and job.kind in kinds and not self.is_full(job, expected):
                expected.append(job)
        assert self.order.next(kinds) is (expected[0] if expected else None)
        assert self.order.take(kinds, most) == expected
        self.running += expected
        self.waiting = [job for job in self.waiting if job not in expected]

    def is_full(self, job: LiveJob, taken: list[LiveJob]) -> bool:
        same = [each for each in [*self.running, *taken] if each.key == job.key]
        return bool(self.limit and job.key) and len(same) >= self.limit

    @precondition(lambda self: self.running)
    @rule(data=st.data(), back=st.booleans())
    def end(self, data: st.DataObject, back: bool) -> None:
        job = data.draw(st.sampled_from(self.running))
        self.running.remove(job)
        self.order.ended(job)
        if back:
            self.order.add(job)
            self.waiting.append(job)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def discard(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(job)
        assert self.order.discard(job)
        assert not self.order.discard(job)

    @precondition(lambda self: any(not self.is_full(job, []) for job in self.waiting))
    @rule(data=st.data())
    def take_past_all_others(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from([job for job in self.waiting if not self.is_full(job, [])]))
        self.order.take_past(job)
        self.waiting.remove(job)
        self.running.append(job)

    @rule(kind=st.sampled_from(KINDS), key=st.sampled_from(("", "x")))
    def find_running(self, kind: str, key: str) -> None:
        job = make(next(self.numbers), kind, key, 0, 1.0)
        self.order.started(job)
        self.running.append(job)

    @invariant()
    def everything_is_where_the_list_has_it(self) -> None:
        ordered = sorted(self.waiting, key=lambda job: job.rank)
        assert len(self.order) == len(ordered)
        assert list(self.order) == ordered
        assert self.order.positions(ordered) == list(range(1, len(ordered) + 1))
        assert self.order.positions(ordered[1::2]) == list(range(2, len(ordered) + 1, 2))
        assert self.order.head() is self.order.first()
        assert self.order.first() is (ordered[0] if ordered else None)
        assert self.order.kinds() == {job.kind for job in ordered}
        assert all(self.order.key_is_full(job) == self.is_full(job, []) for job in ordered)
        assert {job.seq for job in self.order.listed("")} == {job.seq for job in ordered}
        assert self.order.listed("nobody") == []


TestOrderBesideAList = OrderBesideAList.TestCase
TestOrderBesideAList.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
