"""Lists, numbers and pages of a business's messages: complete, in order, and its own alone."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from jobline.v1 import communication_service_pb2 as pb
from jobline.v1.communication_service_pb2_grpc import CommunicationServiceStub
from support.communications import Business, claim_message, delete_all, insert_long, new_message, sent, status_of
from support.queue_calls import refused
from support.queue_service import QueueServiceUnderTest

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
CREATION, PROCESSING, LATEST = (
    pb.MESSAGE_ORDER_UNSPECIFIED,
    pb.MESSAGE_ORDER_PROCESSING,
    pb.MESSAGE_ORDER_LATEST,
)
ORDERS = [CREATION, PROCESSING, LATEST]
PRIORITIES = [pb.MESSAGE_PRIORITY_HIGH, pb.MESSAGE_PRIORITY_NORMAL, pb.MESSAGE_PRIORITY_LOW]


def ids(messages: Sequence[pb.Message]) -> list[str]:
    return [message.id for message in messages]


def mixed(count: int, dice: random.Random) -> list[pb.NewMessage]:
    """Messages of which many are due at one time."""
    return [
        new_message(
            priority=dice.choice(PRIORITIES), scheduled_at=NOW + HOUR * dice.randrange(1, 4), body=f"Number {n}"
        )
        for n in range(count)
    ]


# ---- orders and pages ---------------------------------------------------------------------------------------------------


def sort_key(order: Any) -> Callable[[tuple[int, pb.Message]], Any]:
    """The order of the specification, for (insertion number, message)."""
    return {
        CREATION: lambda pair: pair[0],
        PROCESSING: lambda pair: (pair[1].priority, pair[1].scheduled_at.ToDatetime(), pair[0]),
        LATEST: lambda pair: (-pair[1].updated_at.ToNanoseconds(), -pair[0]),
    }[order]


@pytest.mark.parametrize("order", ORDERS)
def test_a_list_is_in_its_order_and_pages_of_any_size_are_the_same_list(business: Business, order: Any):
    inserted = business.submit(*mixed(60, random.Random(1))) + business.submit(*mixed(7, random.Random(2)))
    for number in (3, 20, 40):
        inserted[number] = business.cancel(inserted[number].id)
    expected = [message for _, message in sorted(enumerate(inserted), key=sort_key(order))]
    whole = business.page(order=order, page_size=1000)
    assert (ids(whole.messages), whole.next_page_token) == (ids(expected), "")
    for size in (1, 7, 66, 67):
        assert ids(walk(business, order, size)) == ids(expected)
    assert len(business.page(order=order).messages) == 50


def walk(
    business: Business, order: Any, size: int, between: Callable[[], object] = bool, **filters: Any
) -> list[pb.Message]:
    """Every page, one after the other; `between` happens after each."""
    found: list[pb.Message] = []
    token = ""
    while True:
        request = {"order": order, "page_size": size, "page_token": token, "filter": pb.MessageFilter(**filters)}
        page = business.page(**request)
        found += page.messages
        token = page.next_page_token
        between()
        if not token:
            return found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("order", ORDERS)
def test_pages_visit_what_stays_in_its_place_once_whatever_comes_and_goes_meanwhile(
    business: Business, order: Any, seed: int
):
    dice = random.Random(seed)
    there = business.submit(*mixed(40, dice))
    removable = dice.sample(there, 10)
    staying = set(ids(there)) - set(ids(removable))

    def disturb() -> None:
        business.submit(*mixed(dice.randrange(3), dice) or [new_message(scheduled_at=NOW + HOUR)])
        if removable:
            gone = removable.pop()
            dice.choice((business.delete, business.cancel))(gone.id)

    seen = [message.id for message in walk(business, order, dice.randrange(3, 9), disturb)]
    assert staying <= set(seen)
    assert [each for each in seen if each in staying] == [
        message.id for message in business.page(order=order, page_size=1000).messages if message.id in staying
    ]
    assert all(seen.count(each) == 1 for each in staying)


def test_a_page_token_is_good_for_its_order_alone_and_nothing_else_is_one(business: Business):
    business.submit(*mixed(3, random.Random(3)))
    token = business.page(page_size=1).next_page_token
    bad = [
        token + "=",
        token[:-1],
        token[:-4],
        token.swapcase(),
        "x",
        "%%",
        "\0",
        "AAAA",
        "é" * 28,
        "_" * 28,
        "x" * 5000,
    ]
    for wrong in bad:
        with refused("INVALID_FIELD") as seen:
            business.page(page_token=wrong, page_size=1)
        assert seen[0].fields == ("page_token",)
    for order in (PROCESSING, LATEST):
        with refused("INVALID_FIELD"):
            business.page(page_token=token, order=order)
    assert len(business.page(page_token=token).messages) == 2


@pytest.mark.parametrize(
    ("request_fields", "name"),
    [
        ({"page_size": -1}, "page_size"),
        ({"page_size": 1001}, "page_size"),
        ({"order": 9}, "order"),
        ({"filter": {"statuses": [pb.MESSAGE_STATUS_FAILED, 0]}}, "filter.statuses[1]"),
        ({"filter": {"statuses": [77]}}, "filter.statuses[0]"),
        ({"filter": {"priority": 9}}, "filter.priority"),
        ({"filter": {"channel": 9}}, "filter.channel"),
        ({"filter": {"from": {"seconds": 2**60}}}, "filter.from"),
        ({"filter": {"to": {"nanos": -1}}}, "filter.to"),
        ({"filter": {"query": "q" * 201}}, "filter.query"),
        ({"filter": {"query": "a\0"}}, "filter.query"),
    ],
)
def test_a_bad_list_is_refused_by_the_name_of_its_field(business: Business, request_fields: dict[str, Any], name: str):
    with refused("INVALID_FIELD") as seen:
        business.page(**request_fields)
    assert seen[0].fields == (name,)
    assert "must" in seen[0].message
    if "filter" in request_fields:
        with refused("INVALID_FIELD"):
            business.export(**request_fields["filter"])


def test_a_page_of_long_payloads_is_shorter_than_asked_for_and_the_next_goes_on(
    service: QueueServiceUnderTest, business: Business
):
    insert_long(service, business, 70, 1_000_000)
    with grpc.insecure_channel(
        service.address, options=[("grpc.max_receive_message_length", 64 * 1024 * 1024)]
    ) as wide:
        ask = CommunicationServiceStub(wide).ListMessages
        request = pb.ListMessagesRequest(business_id=business.id, page_size=1000)
        pages = [ask(request, metadata=business.calls.metadata)]
        while token := pages[-1].next_page_token:
            request.page_token = token
            pages.append(ask(request, metadata=business.calls.metadata))
    assert [len(page.messages) for page in pages] == [33, 33, 4]
    assert len({message.id for page in pages for message in page.messages}) == 70
    delete_all(service, business)


# ---- filters ------------------------------------------------------------------------------------------------------------


def test_filters_narrow_a_list_together(business: Business):
    sms = {"channel": pb.CHANNEL_SMS, "recipient_contact": "+49"}
    first = business.send(scheduled_at=NOW + HOUR, priority=pb.MESSAGE_PRIORITY_HIGH)
    second = business.send(scheduled_at=NOW + 2 * HOUR, **sms)
    third = business.send(scheduled_at=NOW + 3 * HOUR, priority=pb.MESSAGE_PRIORITY_HIGH, **sms)
    gone = business.cancel(business.send(scheduled_at=NOW + HOUR).id)
    pending, cancelled = pb.MESSAGE_STATUS_PENDING, pb.MESSAGE_STATUS_CANCELLED
    cases: list[tuple[dict[str, Any], list[pb.Message]]] = [
        ({}, [first, second, third, gone]),
        ({"statuses": [pending]}, [first, second, third]),
        ({"statuses": [pending, cancelled]}, [first, second, third, gone]),
        ({"statuses": [pb.MESSAGE_STATUS_FAILED]}, []),
        ({"priority": pb.MESSAGE_PRIORITY_HIGH}, [first, third]),
        ({"channel": pb.CHANNEL_SMS}, [second, third]),
        ({"from": NOW + 2 * HOUR}, [second, third]),
        ({"to": NOW + 2 * HOUR}, [first, gone]),
        ({"from": NOW + HOUR, "to": NOW + 3 * HOUR, "statuses": [pending]}, [first, second]),
        ({"channel": pb.CHANNEL_SMS, "priority": pb.MESSAGE_PRIORITY_HIGH}, [third]),
    ]
    for filters, expected in cases:
        assert ids(business.list(**filters)) == ids(expected), filters
        assert ids(walk(business, CREATION, 1, **filters)) == ids(expected), filters
        exported = [message for batch in business.export(**filters) for message in batch.messages]
        assert exported == [business.get(message.id) for message in expected]


def test_a_query_is_found_in_every_text_without_regard_to_case_and_means_itself(business: Business):
    contact = business.send(recipient_contact="Needle@example.org")
    subject = business.send(subject="a NEEDLE here")
    body = business.send(body="haystack needle")
    name = business.send(communication_id="x-needle-1")
    failed = business.send(max_attempts=1, priority=pb.MESSAGE_PRIORITY_HIGH, scheduled_at=NOW - HOUR)
    business.operator.fail(claim_message(business.operator), message="SMTP error: no nEEdle")
    odd = business.send(body=r"100% of a_b and c\d 'quoted' /slash/")
    assert ids(business.list(query="needle")) == ids([contact, subject, body, name, failed])
    for found in ("100%", "a_b", "c\\d", "'quoted'", "/slash/", "% OF A_"):
        assert ids(business.list(query=found)) == [odd.id], found
    for nothing in ("%", "_"):
        assert odd.id in ids(business.list(query=nothing))
        assert contact.id not in ids(business.list(query=nothing))
    for nothing in ("n%le", "n__dle", "\\", "' OR true --", "channel", "recipientContact"):
        assert set(ids(business.list(query=nothing))) <= {odd.id}, nothing


def test_lists_and_numbers_are_of_the_one_business(business: Business, service: QueueServiceUnderTest):
    other = Business(service)
    message = other.send(communication_id="c")
    assert business.list() == []
    assert business.export() == []
    assert business.history("c") == []
    assert business.stats().pending == 0
    assert other.list() == [message]
    other.close()


def test_jobs_of_other_kinds_that_a_business_owns_are_no_messages(business: Business, service: QueueServiceUnderTest):
    service.execute(
        """INSERT INTO jobline.jobs (id, queue, kind, owner, producer, run_at, seq, payload, max_attempts, created_at,
                                     updated_at)
           VALUES (gen_random_uuid(), 'other', 'other', %s, 'p', now(), 1, '{}', 3, now(), now())""",
        business.owner,
    )
    assert business.list() == []
    assert business.stats().pending == 0


# ---- numbers and views --------------------------------------------------------------------------------------------------


def everything(business: Business) -> dict[str, str]:
    """One message in each status, and its id; the completed one is the only one that ran well."""
    made = {}
    made["completed"] = business.send().id
    business.operator.complete(claim_message(business.operator), sent())
    made["failed"] = business.send(max_attempts=1).id
    business.operator.fail(claim_message(business.operator), message="SMTP error: no")
    made["processing"] = business.send().id
    claim_message(business.operator)
    made["cancelled"] = business.send().id
    business.cancel(made["cancelled"])
    made["pending"] = business.send(scheduled_at=NOW + HOUR, communication_id="late").id
    return made


def test_stats_count_each_status_and_tell_when_the_next_message_is_due(business: Business):
    empty = business.stats()
    assert empty == pb.MessageStats()
    assert not empty.HasField("oldest_pending")
    assert not empty.HasField("avg_processing_time_seconds")
    everything(business)
    business.send(scheduled_at=NOW + 2 * HOUR)
    stats = business.stats()
    counts = (stats.pending, stats.processing, stats.completed, stats.failed, stats.cancelled)
    assert counts == (2, 1, 1, 1, 1)
    assert stats.oldest_pending.ToDatetime(UTC) == NOW + HOUR
    assert stats.avg_processing_time_seconds > 0


def test_health_has_the_numbers_and_the_verdict_on_them(business: Business):
    healthy = business.health()
    assert (healthy.healthy, healthy.alert, list(healthy.reasons)) == (True, False, [])
    everything(business)
    business.send(scheduled_at=NOW - HOUR)
    sick = business.health()  # few messages, but late ones and one of six failed
    assert (sick.healthy, sick.alert, sick.stats) == (True, True, business.stats())
    late, rate = sick.reasons
    assert re.fullmatch(r"The oldest pending message was due \d{4} s ago, more than 5 minutes\.", late)
    assert rate == "16.7 % of all messages have failed, more than 5 %."


def test_the_view_of_operators_agrees_with_the_lists(business: Business, service: QueueServiceUnderTest):
    made = everything(business)
    rows = service.execute(
        """SELECT id::text, business_id, communication_id, status, priority, scheduled_at, started_at, completed_at,
                  attempts, max_attempts, last_error, payload, created_at, updated_at
           FROM communication_queue WHERE business_id = %s ORDER BY created_at""",
        business.id,
    )
    assert [row[0] for row in rows] == list(made.values())
    assert [row[3] for row in rows] == list(made)
    for row, message in zip(rows, business.list(), strict=True):
        assert row == as_row(business, message)
        assert json.loads(row[11])["channel"] == "email"


def as_row(business: Business, message: pb.Message) -> tuple[Any, ...]:
    def time(name: str) -> datetime | None:
        return getattr(message, name).ToDatetime(UTC) if message.HasField(name) else None

    priority = pb.MessagePriority.Name(message.priority).removeprefix("MESSAGE_PRIORITY_").lower()
    return (
        message.id,
        business.id,
        message.communication_id,
        status_of(message),
        priority,
        time("scheduled_at"),
        time("started_at"),
        time("completed_at"),
        message.attempts,
        message.max_attempts,
        message.last_error or None,
        message.payload,
        time("created_at"),
        time("updated_at"),
    )
