"""Page tokens: where a page ended, as an opaque text. The next page begins behind that place, whatever moved meanwhile.

A token says which order it belongs to and is refused in any other. It holds no secret and gives no right.
"""

from __future__ import annotations

import base64
import struct
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from jobline_queue.core.errors import InvalidField, invalid
from jobline_queue.core.job_filter import JobOrder, JobPlace, Sorting

_FORM = struct.Struct(">Biqq")
#: Order, direction, what the order sorts by, id.
_JOB_FORM = struct.Struct(">B?q16s")
_ORDERS = tuple(JobOrder)
_NUMBERS = frozenset({JobOrder.PRIORITY, JobOrder.ATTEMPT})
#: In place of the time at which a job that lives has ended.
_NEVER = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Place(NamedTuple):
    """The last row of a page, by what the order sorts by."""

    #: 0 where the order does not look at it.
    priority: int
    time: datetime
    seq: int


def encode(order: int, place: Place) -> str:
    """`order` is the number of the list's order, 0 to 255: lists of one service that are sorted otherwise have others."""
    return _text(_FORM.pack(order, place.priority, _micros(place.time), place.seq))


def decode(text: str, order: int) -> Place:
    """Raises InvalidField for anything but a token of a list in this order."""
    number, priority, micros, seq = _unpacked(_FORM, text)
    if number != order:
        raise _refusal()
    return Place(priority, _time(micros), seq)


def encode_job(sorting: Sorting, place: JobPlace) -> str:
    match place.value:
        case None:
            value = _NEVER
        case datetime():
            value = _micros(place.value)
        case _:
            value = place.value
    number = _ORDERS.index(sorting.order)
    return _text(_JOB_FORM.pack(number, sorting.ascending, value, uuid.UUID(place.id).bytes))


def decode_job(text: str, sorting: Sorting) -> JobPlace:
    """Raises InvalidField for anything but a token of a list of jobs in this order."""
    number, ascending, value, job_id = _unpacked(_JOB_FORM, text)
    if (number, ascending) != (_ORDERS.index(sorting.order), sorting.ascending):
        raise _refusal()
    return JobPlace(_job_value(value, sorting.order), str(uuid.UUID(bytes=job_id)))


def _job_value(value: int, order: JobOrder) -> datetime | int | None:
    if order in _NUMBERS:
        if not -(2**31) <= value < 2**31:
            raise _refusal()
        return value
    if order is JobOrder.CREATED or (order is JobOrder.FINISHED and value == _NEVER):
        return None
    return _time(value)


def _text(packed: bytes) -> str:
    return base64.urlsafe_b64encode(packed).decode()


def _unpacked(form: struct.Struct, text: str) -> tuple[Any, ...]:
    try:
        values = form.unpack(base64.b64decode(text, b"-_", validate=True))
    except (struct.error, ValueError):
        raise _refusal() from None
    if _text(form.pack(*values)) != text:  # base64 has several spellings
        raise _refusal()
    return values


def _micros(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND


def _time(micros: int) -> datetime:
    try:
        return _EPOCH + micros * _MICROSECOND
    except OverflowError:
        raise _refusal() from None


def _refusal() -> InvalidField:
    return invalid("page_token", "must be the next_page_token of a list with the same filter and order")
