"""Filters are read as people type them, or refused with what was expected."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import typer

from jobline.cli.job_filters import parse_labels, parse_states, parse_time
from jobline.client import JobState

NOW = datetime(2026, 11, 22, 3, 0, 0, tzinfo=UTC)


def test_states_are_the_words_of_the_contract_in_lower_case() -> None:
    assert parse_states(["pending", "failed"]) == [JobState.PENDING, JobState.FAILED]


@pytest.mark.parametrize("word", ["unspecified", "done", "FAILED", ""])
def test_other_words_are_refused(word: str) -> None:
    with pytest.raises(typer.BadParameter, match="expected one of pending, running, succeeded, failed, cancelled"):
        parse_states([word])


def test_a_label_ends_its_key_at_the_first_equals_sign() -> None:
    assert parse_labels(["a=b=c", "d="]) == {"a": "b=c", "d": ""}


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2h", NOW - timedelta(hours=2)),
        ("2026-11-22T01:00:00Z", NOW - timedelta(hours=2)),
        ("2026-11-22T02:00:00+01:00", NOW - timedelta(hours=2)),
        ("2026-11-22 01:00", NOW - timedelta(hours=2)),
    ],
)
def test_a_time_is_a_moment_or_a_span_before_now(text: str, time: datetime) -> None:
    assert parse_time("--created-after", text, NOW) == time


@pytest.mark.parametrize("text", ["yesterday", "99999999999999d", "-2h", "2026-13-01"])
def test_any_other_time_is_refused_with_the_option(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="--created-after: expected"):
        parse_time("--created-after", text, NOW)


def test_a_span_ahead_is_after_now() -> None:
    assert parse_time("--expires", "2h", NOW, ahead=True) == NOW + timedelta(hours=2)
