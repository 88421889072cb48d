"""What is read out of a record that somebody loads: category, ids, who made it and when, and whether keywords occur in it.

Records come from other people's exports, so every field may be missing, null, of any type and of any length. What cannot
be read is left out; nothing here fails. (What a record says is `jobline.records`, which the gateway shares.)
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jobline.records import Record

__all__ = ["Authorship", "Keywords", "authorship_of", "category_of", "ids_of"]

_RATING_KEYS = (
    "prompt_quality_rating",
    "feedback_quality_rating",
    "quality_rating",
    "rating",
    "category",
    "label",
    "score",
    "avg_score",
)
_ID_KEYS = ("task_id", "id", "uuid", "record_id")

_TOP, _BOTTOM, _NEITHER = "TOP_10", "BOTTOM_10", ""

#: A number as JSON and spreadsheets write it; `float` would also take `inf`, `nan`, `1_000` and other scripts' digits.
_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*", re.ASCII)

#: Exports write the last second of the calendar for "never": it cannot be stored, and nothing was made then.
_END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Authorship:
    """Who made a record and when, as far as it says so: empty texts and None where it does not."""

    id: str = ""
    name: str = ""
    email: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


class Keywords:
    """What a content must have at least one of, in whatever case; blank words do not count."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = tuple(word.casefold() for word in words if word.strip())

    def admit(self, content: str) -> bool:
        """Whether one of the words occurs, also inside of another word; any content will do where there are none."""
        if not self._words:
            return True
        folded = content.casefold()
        return any(word in folded for word in self._words)


def category_of(record: Record) -> str:
    """TOP_10, BOTTOM_10 or nothing, by the first rating that the record has. Null and blank cells are no rating."""
    if isinstance(record, str):
        return _NEITHER
    rating = next((value for value in map(record.get, _RATING_KEYS) if not _is_missing(value)), None)
    match rating:
        case bool():
            return _NEITHER
        case int() | float():
            return _category_of_number(rating)
        case str():
            return _category_of_number(float(rating)) if _NUMBER.fullmatch(rating) else _category_of_text(rating)
        case _:
            return _NEITHER


def ids_of(record: Record) -> tuple[str, ...]:
    """Every id that the record carries, each once, its own first: the record's keys go before its metadata's."""
    if isinstance(record, str):
        return ()
    metadata = record.get("metadata")
    places = (record, metadata) if isinstance(metadata, Mapping) else (record,)
    return tuple(dict.fromkeys(_texts(place.get(key) for place in places for key in _ID_KEYS)))


def authorship_of(record: Record) -> Authorship:
    """What the record says in its fields `created_by_id`, `created_by_name`, `created_by_email`, `created_at` and
    `updated_at`."""
    if isinstance(record, str):
        return Authorship()
    return Authorship(
        _text(record.get("created_by_id")),
        _text(record.get("created_by_name")),
        _text(record.get("created_by_email")),
        _time(record.get("created_at")),
        _time(record.get("updated_at")),
    )


def _category_of_number(value: float) -> str:
    if value >= 4 or 0.8 < value <= 1:
        return _TOP
    if value <= 2 and not 0.2 <= value <= 1:
        return _BOTTOM
    return _NEITHER


def _category_of_text(text: str) -> str:
    """`top` alone says as much as `top` with `10`, and so does `bottom`. The upper end goes first."""
    folded = text.casefold()
    if any(word in folded for word in ("top", "selected", "better")):
        return _TOP
    if any(word in folded for word in ("bottom", "rejected", "worse")):
        return _BOTTOM
    return _NEITHER


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _texts(values: Iterable[Any]) -> Iterator[str]:
    return (text for text in map(_text, values) if text)


def _text(value: Any) -> str:
    """A text as it is, a whole number without a point, so that 7, 7.0 and "7" are one id; nothing for anything else."""
    match value:
        case bool():
            return ""
        case str():
            return value if value.strip() else ""
        case float() if value.is_integer():
            return str(int(value))
        case int():
            return str(value)
        case float() if math.isfinite(value):
            return repr(value)
        case _:
            return ""


def _time(value: Any) -> datetime | None:
    """A moment in ISO 8601, in UTC unless it says otherwise. Plain numbers do not tell what they count."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip().upper())
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment < _END_OF_TIME else None
