"""Filters as they are typed: the options of every command that chooses jobs, and what their texts mean."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Annotated, Any, TypeAlias

import typer

from jobline.client import JobFilter, JobState
from jobline.durations import parse_duration

__all__ = ["parse_filter", "parse_labels", "parse_states", "parse_time", "takes_filter"]

_STATES = {str(state): state for state in JobState if state is not JobState.UNSPECIFIED}

#: What `--state` takes.
_STATE_WORDS = ", ".join(_STATES)

_Texts: TypeAlias = list[str] | None


def parse_filter(
    queue: Annotated[_Texts, typer.Option("--queue", help="Only this queue; repeat for any of several.")] = None,
    kind: Annotated[str, typer.Option("--kind", help="Only this kind.")] = "",
    owner: Annotated[str, typer.Option("--owner", help="Only this owner.")] = "",
    state: Annotated[_Texts, typer.Option("--state", help=f"{_STATE_WORDS}; repeat for any of several.")] = None,
    label: Annotated[
        _Texts, typer.Option("--label", metavar="KEY=VALUE", help="Has this label; repeat for all of several.")
    ] = None,
    error: Annotated[str, typer.Option("--error", help="The error's code, or a part of its message.")] = "",
    created_after: Annotated[str, typer.Option(help="A time (2026-11-22T03:00:00Z), or a span ago (2h).")] = "",
    created_before: Annotated[str, typer.Option(help="The same, the other way round.")] = "",
) -> JobFilter:
    """The jobs that the options choose. Raises BadParameter."""
    now = datetime.now(UTC)
    return JobFilter(
        queues=tuple(queue or ()),
        kind=kind,
        owner=owner,
        states=tuple(parse_states(state or ())),
        labels=parse_labels(label or ()),
        created_after=parse_time("--created-after", created_after, now),
        created_before=parse_time("--created-before", created_before, now),
        error=error,
    )


def takes_filter(command: Callable[..., None]) -> Callable[..., None]:
    """`command` as typer is to see it: with the options of `parse_filter` in place of its parameter `where`."""
    options = inspect.signature(parse_filter, eval_str=True).parameters
    own = inspect.signature(command, eval_str=True).parameters

    @wraps(command)
    def wrapped(**given: Any) -> None:
        where = parse_filter(**{name: given.pop(name) for name in options})
        command(where=where, **given)

    shown = [each for each in (*own.values(), *options.values()) if each.name != "where"]
    setattr(wrapped, "__signature__", inspect.Signature([each.replace(kind=each.KEYWORD_ONLY) for each in shown]))  # noqa: B010
    wrapped.__annotations__ = {each.name: each.annotation for each in shown}
    return wrapped


def parse_states(words: Iterable[str]) -> list[JobState]:
    """The states that `words` name. Raises BadParameter for another word."""
    try:
        return [_STATES[word] for word in words]
    except KeyError as error:
        raise typer.BadParameter(f"--state: expected one of {_STATE_WORDS}, got {error.args[0]!r}") from error


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
