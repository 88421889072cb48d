"""The arithmetic of turns beside counting them one by one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from jobline_queue.dispatch.turns import Moment, Turns, turns_before

NUMBERS = st.integers(0, 5)
TURNS = st.tuples(st.integers(0, 200), NUMBERS, st.sampled_from((1, 7, 20, 60)), st.integers(0, 12))
MOMENTS = st.tuples(st.integers(0, 900), NUMBERS)


@settings(deadline=None)
@given(st.lists(TURNS, max_size=15), st.lists(MOMENTS, max_size=30).map(sorted))
def test_the_turns_before_a_moment_are_those_that_one_would_count(turns: list[Turns], moments: list[Moment]):
    every = [(start + nth * stride, number) for start, number, stride, count in turns for nth in range(count)]
    assert turns_before(turns, moments) == [sum(turn < moment for turn in every) for moment in moments]
