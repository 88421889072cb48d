"""Queue policies: the rules of each queue, read from TOML and checked before anything starts.

The built-in ones are `queues.toml` beside this file; a file of the operator's is laid over them key by key.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from importlib import resources
from typing import Any

from jobline.durations import parse_duration

__all__ = ["CancelMode", "Order", "PolicyError", "QueuePolicy", "Rate", "load_policies"]

QUEUE_NAME = re.compile(r"[a-z0-9_-]{1,64}")
_RATE = re.compile(r"([1-9]\d*)/(s|min|h)")
MAX_WEIGHT = 1000
_PERIODS = {"s": 1.0, "min": 60.0, "h": 3600.0}


class PolicyError(ValueError):
    """A policy file is wrong. The message names the file, the key and what was expected."""


class CancelMode(StrEnum):
    """What a cancel does to a running job."""

    NOW = "now"
    BOUNDARY = "boundary"
    PENDING_ONLY = "pending_only"


class Order(StrEnum):
    FIFO = "fifo"
    FAIR = "fair"


@dataclass(frozen=True)
class Rate:
    """At most `count` starts in any `period` seconds."""

    count: int
    period: float


@dataclass(frozen=True)
class QueuePolicy:
    """The rules of one queue. Durations in seconds; None and 0 limits mean "no limit"."""

    queue: str
    max_running: int = 0
    max_running_per_key: int = 0
    timeout: float | None = None
    max_attempts: int = 3
    backoff: tuple[float, ...] = ()
    step_tries: int = 3
    step_backoff: tuple[float, ...] = (1.0, 2.0)
    cancel: CancelMode = CancelMode.BOUNDARY
    retry_resumes: bool = False
    expires_after: float | None = None
    retention: float | None = None
    lease: float = 30.0
    receipt: float = 10.0
    paused: bool = False
    order: Order = Order.FIFO
    #: Turns of an owner in each round of a fair queue; 1 for those that are not named.
    weights: Mapping[str, int] = field(default_factory=dict)
    rate: Rate | None = None

    @property
    def is_fair(self) -> bool:
        return self.order is Order.FAIR


def _integer(low: int, high: int) -> Any:
    def convert(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"expected an integer from {low} to {high}")
        return value

    return convert


def _duration(low: float, high: float) -> Any:
    def convert(value: Any) -> float:
        if not isinstance(value, str):
            raise ValueError('expected a duration such as "30s"')
        seconds = parse_duration(value)
        if not low <= seconds <= high:
            raise ValueError(f"expected a duration from {low:g} to {high:g} seconds")
        return seconds

    return convert


def _durations(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError('expected a list of durations such as ["1s", "2s"]')
    return tuple(_duration(0.0, _YEAR)(item) for item in value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("expected true or false")
    return value


def _word(kind: type[StrEnum]) -> Any:
    def convert(value: Any) -> StrEnum:
        words = [member.value for member in kind]
        if value not in words:
            raise ValueError(f"expected one of {', '.join(words)}")
        return kind(value)

    return convert


def _rate(value: Any) -> Rate:
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise ValueError('expected a rate such as "60/min", "5/s" or "1000/h"')
    return Rate(int(match[1]), _PERIODS[match[2]])


def _weights(value: Any) -> dict[str, int]:
    if not isinstance(value, dict):
        raise ValueError('expected a table of owners such as { "business:acme" = 3 }')
    return {owner: _integer(1, MAX_WEIGHT)(weight) for owner, weight in value.items()}


_YEAR = 366 * 86400.0
_READERS: dict[str, Any] = {
    "max_running": _integer(1, 100_000),
    "max_running_per_key": _integer(1, 100_000),
    "timeout": _duration(0.1, _YEAR),
    "max_attempts": _integer(1, 100),
    "backoff": _durations,
    "step_tries": _integer(1, 100),
    "step_backoff": _durations,
    "cancel": _word(CancelMode),
    "retry_resumes": _boolean,
    "expires_after": _duration(0.1, _YEAR),
    "retention": _duration(0.1, _YEAR),
    "lease": _duration(0.5, 3600.0),
    "receipt": _duration(0.5, 3600.0),
    "paused": _boolean,
    "order": _word(Order),
    "weights": _weights,
    "rate": _rate,
}


def load_policies(text: str | None = None, source: str = "queues.toml") -> dict[str, QueuePolicy]:
    """The built-in policies with those of the TOML `text` laid over them.

    Raises PolicyError with `source`, the key and what was expected.
    """
    built_in = resources.files("jobline_queue.core").joinpath("queues.toml").read_text("utf-8")
    policies = _overlay({}, built_in, "the built-in queues.toml")
    return policies if text is None else _overlay(policies, text, source)


def _overlay(base: Mapping[str, QueuePolicy], text: str, source: str) -> dict[str, QueuePolicy]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{source}: expected TOML: {error}") from error
    unknown = sorted(set(document) - {"queues"})
    if unknown:
        raise PolicyError(f"{source}: unknown key {unknown[0]!r}; expected [queues.NAME] tables only")
    queues = document.get("queues", {})
    if not isinstance(queues, dict):
        raise PolicyError(f"{source}: queues: expected [queues.NAME] tables")
    result = dict(base)
    for name, table in queues.items():
        result[name] = _read_queue(result.get(name), name, table, source)
    return result


def _read_queue(base: QueuePolicy | None, name: str, table: Any, source: str) -> QueuePolicy:
    where = f"{source}: queues.{name}"
    if not QUEUE_NAME.fullmatch(name):
        raise PolicyError(f"{where}: expected a queue name of 1-64 characters a-z, 0-9, '_' and '-'")
    if not isinstance(table, dict):
        raise PolicyError(f"{where}: expected a table")
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in _READERS:
            known = ", ".join(field.name for field in fields(QueuePolicy)[1:])
            raise PolicyError(f"{where}.{key}: unknown key; expected one of {known}")
        try:
            values[key] = _READERS[key](value)
        except ValueError as error:
            raise PolicyError(f"{where}.{key}: {error}, got {value!r}") from error
    policy = replace(base or QueuePolicy(name), **values)
    if policy.weights and not policy.is_fair:
        raise PolicyError(f'{where}.weights: expected order = "fair" with them')
    return policy
