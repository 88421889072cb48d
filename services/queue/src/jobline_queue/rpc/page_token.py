"""Page tokens: where a page ended, as an opaque text. The next page begins behind that place, whatever moved meanwhile."""

from __future__ import annotations

import base64
import struct
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from jobline_queue.core.errors import InvalidField, invalid

_FORM = struct.Struct(">Biqq")
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
    packed = _FORM.pack(order, place.priority, (place.time - _EPOCH) // _MICROSECOND, place.seq)
    return base64.urlsafe_b64encode(packed).decode()


def decode(text: str, order: int) -> Place:
    """Raises InvalidField for anything but a token of a list in this order."""
    try:
        number, priority, micros, seq = _FORM.unpack(base64.b64decode(text, b"-_", validate=True))
        place = Place(priority, _EPOCH + micros * _MICROSECOND, seq)
    except (struct.error, OverflowError, ValueError):
        raise _refusal() from None
    if number != order or encode(order, place) != text:  # base64 has several spellings
        raise _refusal()
    return place


def _refusal() -> InvalidField:
    return invalid("page_token", "must be the next_page_token of a list with the same filter and order")
