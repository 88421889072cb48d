"""The rules for single fields of a request that answers with one sentence about the first bad field.

A rule is a pydantic validator that raises ValueError with the rest of a sentence which begins with the field's name,
such as `must not be blank`. Python's own conversions are too kind for the edge of a service: `True` is no number here,
and `1.0` no integer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BeforeValidator

__all__ = [
    "SpelledFloat",
    "cursor",
    "flag",
    "integer",
    "json_object",
    "limit",
    "one_of",
    "several_of",
    "strings",
    "text",
    "timestamp",
    "timestamp_in_query",
    "variables",
]

#: The queue service takes JSON that is nested 64 deep; an object in a request stands in something else.
MAX_DEPTH = 60
_INT64 = range(-(2**63), 2**63)

# RFC 3339, section 5.6, without the leap seconds, which Python does not count. Days that no month has are left to the
# conversion.
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d"
_TIMESTAMP = re.compile(rf"\d{{4}}-\d\d-\d\d[Tt]{_TIME}:[0-5]\d(?:\.\d+)?(?:[Zz]|[+-]{_TIME})", re.ASCII)


class SpelledFloat(float):
    """A number with a fraction or an exponent, and how the sender spelled it: `1.50` is a price, `1.5` is not."""

    def __init__(self, spelling: str) -> None:
        self.spelling = spelling


def text(least: int, most: int, *, blank: bool = True) -> BeforeValidator:
    """A string of `least` to `most` characters that PostgreSQL can hold."""
    bounds = f"must have {least} to {most} characters" if least else f"must have at most {most} characters"

    def check(value: object) -> str:
        if value is None:
            raise ValueError("must be given")
        if not isinstance(value, str):
            raise ValueError("must be a string")
        if not least <= len(value) <= most:
            raise ValueError(bounds)
        if not blank and not value.strip():
            raise ValueError("must not be blank")
        return _storable(value)

    return BeforeValidator(check)


def strings(most: int, longest: int) -> BeforeValidator:
    """An array of strings; blank ones are left out."""

    def check(value: object) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ValueError("must be an array of strings")
        if len(value) > most or not all(len(item) <= longest for item in value):
            raise ValueError(f"must hold at most {most} strings of at most {longest} characters")
        return [_storable(item) for item in value if item.strip()]

    return BeforeValidator(check)


def _storable(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not contain NUL characters")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("must not contain half a surrogate pair")
    return value


def one_of(words: Sequence[str]) -> BeforeValidator:
    def check(value: object) -> object:
        if value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return value

    return BeforeValidator(check)


def several_of(words: Sequence[str]) -> BeforeValidator:
    """A comma-separated list in a query."""

    def check(value: str) -> list[str]:
        found = value.split(",")
        if not all(word in words for word in found):
            raise ValueError(f"must be one of {', '.join(words)}, or several with commas between")
        return found

    return BeforeValidator(check)


def integer(least: int, most: int | None = None) -> BeforeValidator:
    bounds = f"from {least} to {most}" if most is not None else f"of at least {least}"

    def check(value: object) -> int:
        if type(value) is not int or value < least or (most is not None and value > most):
            raise ValueError(f"must be an integer {bounds}")
        return value

    return BeforeValidator(check)


def limit(most: int) -> BeforeValidator:
    """The length of a page in a query; more than `most` reads as `most`."""

    def check(value: str) -> int:
        digits = re.fullmatch(r"0*([1-9][0-9]*)", value)
        if digits is None:
            raise ValueError("must be a positive integer")
        # Not converted when it is long: Python refuses to, and it is too large anyway.
        return min(int(digits[1]), most) if len(digits[1]) <= len(str(most)) else most

    return BeforeValidator(check)


def _cursor(value: str) -> str:
    # The contract reads an empty one as "from the start"; whether another was ever given out, the queue service knows.
    if not value:
        raise ValueError("must be one that a list returned")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _timestamp(value: object) -> datetime:
    """An instant in UTC, to the microsecond; finer digits are cut off."""
    try:
        if isinstance(value, str) and _TIMESTAMP.fullmatch(value):
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("must be a timestamp with offset, such as 2025-10-26T11:00:00Z")


def _timestamp_in_query(value: str) -> datetime:
    # The `+` of an offset that was not percent-encoded arrives as a blank.
    return _timestamp(value.replace(" ", "+"))


def _variables(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not all(_is_plain(item) for item in value.values()):
        raise ValueError("must be an object of strings, numbers and booleans")
    for part in (*value, *value.values()):
        if isinstance(part, str):
            _storable(part)
    return value


def _json_object(value: object) -> dict[str, Any]:
    """An object of anything that the queue service can keep."""
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    todo: list[tuple[object, int]] = [(value, 1)]
    while todo:
        item, depth = todo.pop()
        if isinstance(item, dict | list):
            if depth > MAX_DEPTH:
                raise ValueError(f"must be nested at most {MAX_DEPTH} deep")
            children = [*item, *item.values()] if isinstance(item, dict) else item
            todo.extend((child, depth + 1) for child in children)
        elif isinstance(item, str):
            _storable(item)
        elif (isinstance(item, float) and not math.isfinite(item)) or (isinstance(item, int) and item not in _INT64):
            raise ValueError("must hold numbers of at most 64 bits")
    return value


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


cursor = BeforeValidator(_cursor)
flag = BeforeValidator(_flag)
timestamp = BeforeValidator(_timestamp)
timestamp_in_query = BeforeValidator(_timestamp_in_query)
json_object = BeforeValidator(_json_object)
variables = BeforeValidator(_variables)
