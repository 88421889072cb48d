"""The algebra of waiting: backoff, start rates, clock and group commit."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from jobline_queue.core.policy import Rate
from jobline_queue.core.retry import backoff
from jobline_queue.dispatch.clock import Clock
from jobline_queue.dispatch.group_commit import GroupCommit
from jobline_queue.dispatch.rate_window import RateWindow

SECONDS = st.floats(0, 10_000)


@given(st.integers(1, 10_000), st.lists(SECONDS, max_size=6).map(sorted))
def test_backoff_is_bounded_never_negative_and_monotone(attempt: int, waits: list[float]):
    wait = backoff(attempt, waits)
    assert 0 <= wait <= (waits[-1] if waits else 3600.0)
    assert wait <= backoff(attempt + 1, waits)


@given(st.integers(1, 100), st.lists(SECONDS, min_size=1, max_size=6))
def test_backoff_is_the_policys_list_whose_last_wait_repeats(attempt: int, waits: list[float]):
    assert backoff(attempt, waits) == (waits[attempt - 1] if attempt <= len(waits) else waits[-1])


@given(st.integers(1, 5), st.integers(1, 60), st.lists(st.tuples(st.integers(0, 20), st.integers(1, 7)), max_size=40))
def test_a_rate_never_starts_more_than_its_count_in_any_window(count: int, period: int, asks: list[tuple[int, int]]):
    now = 1_000.0
    window = RateWindow(Rate(count, period), now)
    starts = [now] * count  # a take-over begins with the window used up
    for pause, wanted in asks:
        now += pause
        started = min(wanted, window.available(now))
        window.use(started, now)
        starts += [now] * started
        assert sum(start > now - period for start in starts) <= count
        if started < wanted:
            at = window.next_at(now)
            assert at is not None
            assert now < at <= now + period


def test_a_window_that_is_free_has_no_next_time():
    window = RateWindow(Rate(2, 10.0), 0.0)
    assert window.next_at(9.0) == 10.0
    assert window.next_at(10.0) is None


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(-2, 2)), max_size=40))
def test_the_clock_never_goes_back_when_an_answer_was_late(steps: list[tuple[float, float]]):
    monotonic = 0.0
    clock = Clock(1_000.0, lambda: monotonic)
    last = clock.now()
    for passed, error in steps:
        monotonic += passed
        clock.resync(1_000.0 + monotonic + error)
        assert clock.now() >= last
        last = clock.now()


def test_the_clock_follows_a_database_whose_clock_was_set_back():
    clock = Clock(10_000.0, lambda: 0.0)
    assert clock.now() == 10_000.0
    clock.resync(5_000.0)
    assert clock.now() == 5_000.0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 7), max_size=60), st.integers(1, 10))
def test_a_group_commit_keeps_the_order_loses_nothing_and_cuts_by_weight(weights: list[int], most: int):
    batches: list[list[tuple[int, int]]] = []

    async def commit() -> None:
        done = asyncio.Event()

        async def flush(batch: list[tuple[int, int]]) -> None:
            batches.append(batch)
            if sum(map(len, batches)) == len(weights):
                done.set()

        group: GroupCommit[tuple[int, int]] = GroupCommit(flush, most, lambda item: item[1])
        task = asyncio.create_task(group.run())
        for item in enumerate(weights):
            group.put(item)
        if weights:
            await asyncio.wait_for(done.wait(), 10)
        task.cancel()

    asyncio.run(commit())
    assert [item for batch in batches for item in batch] == list(enumerate(weights))
    assert all(len(batch) == 1 or sum(weight for _, weight in batch) <= most for batch in batches)


async def test_what_is_put_back_waits_at_the_front_for_a_nudge():
    seen: list[list[str]] = []
    flushed = asyncio.Event()

    async def flush(batch: list[str]) -> None:
        seen.append(batch)
        if seen == [["a", "b"]]:
            group.put_back(["b"])
        flushed.set()

    group: GroupCommit[str] = GroupCommit(flush)
    group.put("a")
    group.put("b")
    task = asyncio.create_task(group.run())
    await asyncio.wait_for(flushed.wait(), 5)
    flushed.clear()
    group.nudge()
    await asyncio.wait_for(flushed.wait(), 5)
    task.cancel()
    assert seen == [["a", "b"], ["b"]]
    group.put("c")
    assert group.drain() == ["c"]
