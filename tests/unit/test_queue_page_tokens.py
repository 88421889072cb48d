"""Page tokens: every place comes back as it was, and no other text is a token."""

from __future__ import annotations

import base64
import itertools
from datetime import UTC, datetime

import pytest

from jobline_queue.core.errors import InvalidField
from jobline_queue.modules.communications.order import Order
from jobline_queue.rpc.page_token import Place, decode, encode

TIMES = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
    datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
]


@pytest.mark.parametrize(("order", "time", "priority"), list(itertools.product(Order, TIMES, (-10, 0, 10))))
def test_a_place_comes_back_to_the_microsecond(order: Order, time: datetime, priority: int):
    place = Place(priority, time, 2**62)
    assert decode(encode(order, place), order) == place


@pytest.mark.parametrize("packed", [b"", b"\0" * 20, b"\0" * 22, b"\0" * 5 + b"\xff" * 8, b"\0" * 5 + b"\x7f" * 16])
def test_other_bytes_are_refused(packed: bytes):
    with pytest.raises(InvalidField, match="page_token"):
        decode(base64.urlsafe_b64encode(packed).decode(), Order.CREATION)


def test_each_token_has_one_spelling():
    token = encode(Order.LATEST, Place(0, TIMES[2], 7))
    for other in (token + "=", token + "\n", " " + token, token.replace("A", "%41", 1), token[:-4]):
        with pytest.raises(InvalidField):
            decode(other, Order.LATEST)
