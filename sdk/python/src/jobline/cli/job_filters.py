"""Filters as they are typed: states, labels and times."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import typer

from jobline.client import JobState
from jobline.durations import parse_duration

__all__ = ["STATE_WORDS", "parse_labels", "parse_states", "parse_time"]

_STATES = {str(state): state for state in JobState if state is not JobState.UNSPECIFIED}

#: What `--state` takes.
STATE_WORDS = tuple(_STATES)


def parse_states(words: Iterable[str]) -> list[JobState]:
    """The states that `words` name. Raises BadParameter for another word."""
    try:
        return [_STATES[word] for word in words]
    except KeyError as error:
        raise typer.BadParameter(f"--state: expected one of {', '.join(STATE_WORDS)}, got {error.args[0]!r}") from error


def parse_labels(texts: Iterable[str]) -> dict[str, str]:
    """Labels of texts such as `tenant=acme`. Raises BadParameter for a text without `=` or key."""
    labels = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise typer.BadParameter(f"--label: expected KEY=VALUE, got {text!r}")
        labels[key] = value
    return labels


def parse_time(option: str, text: str, now: datetime, *, ahead: bool = False) -> datetime | None:
    """A time in ISO-8601 (UTC unless it names a zone), or a span before `now` (`ahead`: after it) such as `2h`; None for no
    text.

    Raises BadParameter, which names the `option`, for anything else.
    """
    if not text:
        return None
    try:
        span = timedelta(seconds=parse_duration(text))
        return now + span if ahead else now - span
    except (ValueError, OverflowError):
        pass
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{option}: expected a time such as 2026-11-22T03:00:00Z or a span such as 2h, got {text!r}"
        ) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)
