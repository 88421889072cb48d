"""Figures, columns and shares of pictures in which every column counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from jobline.cli.fair_shares import fair_shares
from jobline.cli.figures import bar, short_count, short_span, sparkline
from jobline.cli.text_columns import Column, lines_of


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (99_999, "99999"),
        (100_000, "100k"),
        (1_200_000, "1.2M"),
        (45_400_000, "45M"),
        (7.6, "8"),
        (3e9, "3.0G"),
    ],
)
def test_a_count_takes_at_most_five_characters(count: float, text: str) -> None:
    assert short_count(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (-1, "0ms"),
        (0.012, "12ms"),
        (0.42, "0.4s"),
        (42, "42s"),
        (90, "1.5m"),
        (43_200, "12h"),
        (777_600, "9.0d"),
    ],
)
def test_a_span_is_in_the_largest_unit_that_fits(seconds: float | None, text: str) -> None:
    assert short_span(seconds) == text


@given(st.floats(0, 30 * 86_400))
def test_a_span_of_less_than_a_month_takes_at_most_four_characters(seconds: float) -> None:
    assert len(short_span(seconds)) <= 4


def test_a_course_shows_any_count_higher_than_none() -> None:
    assert sparkline([]) == ""
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([0, 1, 500, 1000]) == "▁▂▅█"


def test_a_bar_is_full_only_once_all_is_there() -> None:
    assert [bar(done, 1000, 4).plain for done in (0, 500, 999, 1000, 2000)] == ["╌╌╌╌", "━━╌╌", "━━━╌", "━━━━", "━━━━"]
    assert bar(1, 0, 4).plain == "╌╌╌╌"


@given(st.lists(st.integers(0, 100), min_size=1, max_size=8), st.integers(-5, 300))
def test_shares_are_never_more_than_needed_nor_than_there_is_and_nobody_starves(needs: list[int], room: int) -> None:
    shares = fair_shares(needs, room)
    assert all(0 <= share <= need for share, need in zip(shares, needs, strict=True))
    assert sum(shares) <= max(0, room)
    if sum(needs) <= room:
        assert shares == needs
    assert all(share >= min(need, room // len(needs)) for share, need in zip(shares, needs, strict=True))


def test_weights_say_who_gets_more_of_what_is_short() -> None:
    assert fair_shares([40, 4, 20], 16, [2, 1, 1]) == [8, 4, 4]


def test_columns_grow_to_what_they_hold_and_are_cut_to_the_screen() -> None:
    columns = [
        Column[str]("NAME", Text, 4, 10),
        Column[str]("SIZE", lambda text: Text(str(len(text))), 4, right=True),
        Column[str]("WIDE", Text, 4, since=40),
    ]
    assert [line.plain for line in lines_of(columns, ["short", "日本日本日本"], 14)] == [
        "NAME      SIZE",
        "short        5",
        "日本日本…    6",
    ]
    assert [line.plain for line in lines_of(columns, ["short"], 6)] == ["NAME …", "sho… …"]
    assert lines_of(columns, ["short"], 40)[0].plain == "NAME  SIZE WIDE"
