"""What an estimate asks of an order, beside a look at all of its jobs."""

from __future__ import annotations

from collections import Counter, deque
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.policy import Rate
from jobline_queue.dispatch.fair_order import FairOrder
from jobline_queue.dispatch.line import Line
from jobline_queue.dispatch.order import FifoOrder, Order
from jobline_queue.dispatch.rate_window import RateWindow

KINDS, OWNERS, KEYS = ("a", "b", "c"), ("", "ann", "ben"), ("", "x", "y")
CHOICES = st.tuples(st.sampled_from(KINDS), st.sampled_from(OWNERS), st.sampled_from(KEYS), st.integers(-1, 1))


def filled(order: Order, choices: list[tuple[str, str, str, int]], taken: int, gone: int) -> list[LiveJob]:
    """Adds jobs, takes some and discards some; those that are left."""
    jobs = [
        LiveJob(str(n), "q", kind, owner, "p", priority, 1.0, n, key, "", "{}", "null", 0, 3, 0, created_at=1.0)
        for n, (kind, owner, key, priority) in enumerate(choices)
    ]
    for job in jobs:
        order.add(job)
    out = set(order.take(KINDS[:2], taken))
    left = [job for job in jobs if job not in out]
    for job in left[:gone]:
        order.discard(job)
    return left[gone:]


@given(st.booleans(), st.integers(0, 2), st.lists(CHOICES, max_size=30), st.integers(0, 8), st.integers(0, 8))
def test_an_order_knows_how_much_there_is_of_each_kind(fair: bool, limit: int, choices: list, taken: int, gone: int):
    order: Order = FairOrder(limit) if fair else FifoOrder(limit)
    left = filled(order, choices, taken, gone)
    assert order.counts() == Counter(job.kind for job in left)
    random_job = order.any(Random(1))
    assert random_job in left if random_job is not None else fair or not left


@given(st.integers(0, 2), st.lists(CHOICES, max_size=30), st.integers(0, 8), st.integers(0, 8))
def test_a_fifo_order_knows_what_comes_before_a_job(limit: int, choices: list, taken: int, gone: int):
    order = FifoOrder(limit)
    left = sorted(filled(order, choices, taken, gone), key=lambda job: job.rank)
    assert order.first_kinds(5) == [job.kind for job in left[:5]]
    for place, job in enumerate(left):
        assert order.before_of_kinds(job, {"a", "c"}) == sum(each.kind != "b" for each in left[:place])
        if limit and job.key:
            assert order.key_load(job)[1] == sum(each.key == job.key for each in left[:place])


def test_every_job_of_an_order_comes_up_when_any_is_asked_for():
    order = FifoOrder()
    left = filled(order, [("a", "", "", 0), ("b", "", "", 0), ("b", "", "", 1)], 0, 0)
    rng = Random(5)
    assert {order.any(rng) for _ in range(100)} == set(left)


class Thing:
    def __init__(self, rank: int) -> None:
        self.rank = rank


@given(st.integers(0, 5000))
def test_a_line_finds_a_thing_by_its_place(index: int):
    assert LINE.at(index).rank == index


LINE: Line[Thing] = Line()
for number in range(5001):
    LINE.add(Thing(number))


@given(st.integers(1, 4), st.lists(st.floats(0.0, 30.0), max_size=6), st.integers(1, 12))
def test_a_rate_says_when_a_later_start_may_be(count: int, gaps: list[float], number: int):
    """Beside starts that are made one by one, each as soon as it may."""
    window, now = RateWindow(Rate(count, 10.0), 0.0), 10.0
    for gap in gaps:
        now += gap
        window.use(min(1, window.available(now)), now)
    told = window.start_at(number, now)
    starts = deque(window._starts)
    at = now
    for _ in range(number):
        at = max(at, starts[-count] + 10.0) if len(starts) >= count else at
        starts.append(at)
    assert told == at
