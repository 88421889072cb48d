"""Page tokens: every place comes back as it was, and no other text is a token."""

from __future__ import annotations

import base64
import itertools
from datetime import UTC, datetime

import pytest

from jobline_queue.core.errors import InvalidField
from jobline_queue.core.job_filter import JobOrder, JobPlace, Sorting
from jobline_queue.modules.communications.order import Order
from jobline_queue.rpc.page_token import Place, decode, decode_job, encode, encode_job

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


JOB_ID = "018f3e5c-0000-7000-8000-0123456789ab"
JOB_PLACES = [
    (JobOrder.CREATED, None),
    *((order, time) for order in (JobOrder.UPDATED, JobOrder.FINISHED, JobOrder.RUN_AT) for time in TIMES),
    (JobOrder.FINISHED, None),
    *((order, number) for order in (JobOrder.PRIORITY, JobOrder.ATTEMPT) for number in (-(2**31), 0, 2**31 - 1)),
]


@pytest.mark.parametrize(("order", "value"), JOB_PLACES)
@pytest.mark.parametrize("ascending", [False, True])
def test_a_place_in_a_list_of_jobs_comes_back_in_its_order_alone(
    order: JobOrder, value: datetime | int | None, ascending: bool
):
    place, sorting = JobPlace(value, JOB_ID), Sorting(order, ascending)
    token = encode_job(sorting, place)
    assert decode_job(token, sorting) == place
    for other in [*(Sorting(each, ascending) for each in JobOrder if each is not order), Sorting(order, not ascending)]:
        with pytest.raises(InvalidField, match="page_token"):
            decode_job(token, other)


@pytest.mark.parametrize(
    ("order", "value"),
    [
        (JobOrder.PRIORITY, 2**31),
        (JobOrder.ATTEMPT, -(2**31) - 1),
        (JobOrder.RUN_AT, 2**63 - 1),
        (JobOrder.UPDATED, -(2**63)),
    ],
)
def test_a_place_that_no_job_can_have_is_refused(order: JobOrder, value: int):
    token = encode_job(Sorting(order), JobPlace(value, JOB_ID))
    with pytest.raises(InvalidField, match="page_token"):
        decode_job(token, Sorting(order))


def test_a_token_of_another_kind_of_list_is_none_of_jobs():
    for text in (encode(0, Place(0, TIMES[2], 7)), JOB_ID, "", "A" * 36):
        with pytest.raises(InvalidField):
            decode_job(text, Sorting())
