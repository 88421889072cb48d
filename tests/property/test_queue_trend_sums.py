"""Times by bucket, and minutes as points: sums that hold whatever was split, quantiles within what is promised."""

from __future__ import annotations

from collections import Counter
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobline_queue.core.queue_counts import (
    FLOWS,
    LEVELS,
    MAPS,
    MAX_CODES,
    OTHER_CODES,
    QueueCounts,
    most_frequent,
)
from jobline_queue.core.time_buckets import LAST, bucket, count_times, middle, quantiles
from jobline_queue.core.trends import MINUTE, QueueMinute, Stretches, StretchOfQueue, trends

SHARES = (0.5, 0.9, 0.99)
TIMES = st.floats(1e-6, 1e8)
PROMISED = 0.10

counts = st.builds(
    QueueCounts,
    **{name: st.integers(0, 1000) for name in (*LEVELS, *FLOWS)},
    waits=st.dictionaries(st.integers(0, LAST), st.integers(1, 99), max_size=4),
    runs=st.dictionaries(st.integers(0, LAST), st.integers(1, 99), max_size=4),
    errors=st.dictionaries(st.sampled_from(["TIMEOUT", "BROKEN"]), st.integers(1, 99)),
)


@given(TIMES)
def test_the_middle_of_a_bucket_is_near_everything_in_it(seconds: float):
    assert middle(bucket(seconds)) == pytest.approx(seconds, rel=PROMISED)


@given(st.floats(-1e9, 9.9e-7))
def test_no_time_at_all_is_told_as_none(seconds: float):
    assert middle(bucket(seconds)) == 0


@given(st.floats(1.5e9, 1e30))
def test_whatever_lasts_for_ever_has_the_last_bucket(seconds: float):
    assert bucket(seconds) == LAST


@given(st.lists(st.floats(1e-5, 1e5), min_size=1), st.sampled_from([0.0, 1e9]))
def test_a_batch_is_counted_as_its_times_one_by_one(times: list[float], end: float):
    counted = count_times([end - time for time in times], end)
    assert sum(counted.values()) == len(times)
    ranked = [sorted(times)[ceil(share * len(times)) - 1] for share in SHARES]
    assert quantiles(counted, SHARES) == pytest.approx(ranked, rel=PROMISED, abs=1e-6)


@settings(deadline=None)
@given(st.lists(st.lists(TIMES, min_size=1), min_size=1))
def test_quantiles_of_added_counts_are_those_of_all_the_times(parts: list[list[float]]):
    added: Counter[int] = Counter()
    for part in parts:
        added.update(map(bucket, part))
    times = sorted(time for part in parts for time in part)
    ranked = [times[ceil(share * len(times)) - 1] for share in SHARES]
    assert quantiles(added, SHARES) == pytest.approx(ranked, rel=PROMISED)


@given(st.floats(1e9, 2e9), st.floats(60, 8 * 86_400), st.integers(1, 500))
def test_stretches_are_of_whole_minutes_and_reach_back_to_the_present_minute_of_then(
    now: float, seconds: float, most: int
):
    over = Stretches.back_from(now, seconds, most)
    assert 1 <= over.points <= most
    assert over.length % MINUTE == over.begin % MINUTE == 0
    assert over.end - MINUTE <= now < over.end
    assert over.end - over.begin >= seconds
    assert list(over.begins) == [over.begin + number * over.length for number in range(over.points)]


OVER = Stretches.back_from(1_000_000_000.0, 3600, 20)
FIRST = OVER.begin // MINUTE
#: Of an hour, and a little outside.
minutes = st.tuples(st.integers(FIRST - 3, FIRST + 59), st.sampled_from("abc"), counts)


def _sum_of(each: list[QueueCounts], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: sum(getattr(one, name) for one in each) for name in names}


def _maps_of(each: list[QueueCounts]) -> list[Counter[Any]]:
    return [sum((Counter(getattr(one, name)) for one in each), Counter()) for name in MAPS]


def _stored(taken: list[QueueMinute]) -> list[StretchOfQueue]:
    """As the table would add them up."""
    found: dict[tuple[str, int], QueueCounts] = {}
    for minute, queue, one in taken:
        found.setdefault((queue, OVER.begin_of(minute * MINUTE)), QueueCounts()).follow(one)
    return [StretchOfQueue(queue, begin, one) for (queue, begin), one in found.items()]


@settings(deadline=None, max_examples=50)
@given(st.lists(minutes, max_size=30), st.integers(0, 30))
def test_every_minute_counts_once_wherever_it_is_kept(drawn: list[Any], split: int):
    taken = [QueueMinute._make(each) for each in sorted(drawn, key=lambda each: (each[0], each[1]))]
    *each, together = trends(OVER, _stored(taken[:split]), taken[split:])
    inside = [minute for minute in taken if minute.minute >= FIRST]
    assert [trend.queue for trend in each] == sorted({minute.queue for minute in inside})
    for trend in (together, *each):
        mine = [minute.counts for minute in inside if trend.queue in ("", minute.queue)]
        assert len(trend.points) == OVER.points
        assert _sum_of([trend.total], FLOWS) == _sum_of(trend.points, FLOWS) == _sum_of(mine, FLOWS)
        assert _maps_of([trend.total]) == _maps_of(trend.points) == _maps_of(mine)
    assert _sum_of([together.total], LEVELS) == _sum_of([trend.total for trend in each], LEVELS)


@settings(deadline=None, max_examples=50)
@given(st.lists(minutes, min_size=1, max_size=10))
def test_the_levels_of_a_queue_are_those_of_its_last_minute(drawn: list[Any]):
    taken = [QueueMinute._make(each) for each in sorted(drawn, key=lambda each: (each[0], each[1]))]
    queue = taken[-1].queue
    (trend,) = trends(OVER, [], taken, queue)
    levels = [getattr(trend.total, name) for name in LEVELS]
    if taken[-1].minute >= FIRST:
        assert levels == [getattr(taken[-1].counts, name) for name in LEVELS]
    else:
        assert levels == [0, 0, 0]


@given(st.integers(0, 3 * MAX_CODES))
def test_of_error_codes_that_workers_make_up_the_most_frequent_are_told_apart(made_up: int):
    errors = {f"CODE_{number}": 1 for number in range(made_up)} | {OTHER_CODES: 7, "TIMEOUT": 9}
    told = most_frequent(errors)
    assert sum(told.values()) == sum(errors.values())
    assert len(told) <= MAX_CODES + 1
    assert told["TIMEOUT"] == 9


def test_a_queue_that_did_nothing_has_points_all_the_same():
    (trend,) = trends(OVER, [], [], "idle")
    assert trend.points == [QueueCounts()] * OVER.points
    (together,) = trends(OVER, [], [])
    assert together.points == [QueueCounts()] * OVER.points
