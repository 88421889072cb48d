"""Messages come in: what is stored for them, what templates make of them, and what is refused, on every way in."""

from __future__ import annotations

import json
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import uuid_utils
from google.protobuf.timestamp_pb2 import Timestamp

from jobline.v1 import communication_service_pb2 as pb
from support.communications import KIND, QUEUE, Business, claim_message, new_message, status_of
from support.queue_calls import refused
from support.queue_service import QueueServiceUnderTest

# ---- what is stored -----------------------------------------------------------------------------------------------------


def test_a_message_is_answered_as_it_was_stored(business: Business, service: QueueServiceUnderTest):
    due = datetime(2031, 5, 6, 7, 8, 9, 123456, UTC)
    given = new_message(
        channel=pb.CHANNEL_EMAIL,
        subject="Grüße",
        body='Say "hi"\n😀',
        priority=pb.MESSAGE_PRIORITY_HIGH,
        scheduled_at=due,
        max_attempts=7,
        communication_id="order/42",
    )
    (message,) = business.submit(given)
    assert message.payload == (
        '{"channel":"email","recipientContact":"ann@example.org","subject":"Grüße","body":"Say \\"hi\\"\\n😀"}'
    )
    assert (message.communication_id, status_of(message), message.attempts) == ("order/42", "pending", 0)
    assert (message.priority, message.max_attempts) == (pb.MESSAGE_PRIORITY_HIGH, 7)
    assert message.scheduled_at.ToDatetime(UTC) == due
    assert message.created_at == message.updated_at
    assert not message.HasField("started_at")
    assert not message.HasField("completed_at")
    assert business.get(message.id) == message
    rows = service.execute(
        "SELECT business_id, id, channel, recipient_contact FROM communication WHERE id = 'order/42'"
    )
    assert rows == [(business.id, "order/42", "email", "ann@example.org")]
    job = business.operator.job(message.id)
    assert (job.queue, job.kind, job.owner, job.priority) == (QUEUE, KIND, business.owner, 10)
    assert json.loads(job.payload_json) == {
        "communication_id": "order/42",
        "channel": "email",
        "recipient_contact": "ann@example.org",
        "subject": "Grüße",
        "body": 'Say "hi"\n😀',
        "text": message.payload,
    }


def test_what_is_left_out_has_its_default(business: Business):
    before = datetime.now(UTC) - timedelta(seconds=5)
    message = business.send(channel=pb.CHANNEL_SMS, recipient_contact="+49 30 1")
    assert (message.priority, message.max_attempts) == (pb.MESSAGE_PRIORITY_NORMAL, 3)
    assert message.scheduled_at == message.created_at
    assert before <= message.scheduled_at.ToDatetime(UTC) <= datetime.now(UTC) + timedelta(seconds=5)
    assert uuid.UUID(message.communication_id)
    assert message.payload == '{"channel":"sms","recipientContact":"+49 30 1","body":"Hello"}'
    assert business.get(message.id) == message


def test_a_past_time_is_kept_and_means_due_at_once(business: Business):
    past = datetime(1999, 12, 31, 23, 59, 59, 500000, UTC)
    old = business.send(scheduled_at=past)
    now = business.send()
    assert business.get(old.id).scheduled_at.ToDatetime(UTC) == past
    assert [claim_message(business.operator).job_id for _ in range(2)] == [old.id, now.id]


def test_jobs_start_by_priority_then_time_then_insertion_and_never_before_they_are_due(business: Business):
    hour = timedelta(hours=1)
    now = datetime.now(UTC)
    first, second = now - 2 * hour, now - hour
    given = [
        new_message(priority=pb.MESSAGE_PRIORITY_LOW, scheduled_at=first),
        new_message(scheduled_at=second),
        new_message(scheduled_at=second),
        new_message(scheduled_at=first),
        new_message(priority=pb.MESSAGE_PRIORITY_HIGH, scheduled_at=second),
        new_message(priority=pb.MESSAGE_PRIORITY_HIGH, scheduled_at=now + hour),
    ]
    ids = [message.id for message in business.submit(*given)]
    claimed = [claim_message(business.operator).job_id for _ in range(5)]
    assert claimed == [ids[number] for number in (4, 3, 1, 2, 0)]
    assert business.operator.claim(QUEUE, kinds=[KIND]) == []


def test_an_answer_tells_of_pending_jobs_however_fast_a_worker_is(business: Business):
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            for run in business.operator.claim(QUEUE, kinds=[KIND], most=10, wait=0.2):
                business.operator.fail(run, retryable=False)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work)
        try:
            for _ in range(30):
                message = business.send()
                assert (status_of(message), message.attempts) == ("pending", 0)
                assert message.scheduled_at == message.created_at == message.updated_at
                assert not message.HasField("started_at")
        finally:
            stop.set()
        done.result(20)


def test_a_batch_is_stored_whole_in_its_order(business: Business):
    messages = business.submit(*(new_message(body=f"Number {n}") for n in range(100)))
    assert [message.id for message in business.list()] == [message.id for message in messages]
    assert [json.loads(message.payload)["body"] for message in messages] == [f"Number {n}" for n in range(100)]


def test_a_call_repeated_with_its_request_id_stores_nothing_more_and_answers_the_same(business: Business):
    request_id = str(uuid_utils.uuid7())
    given = [new_message(), new_message(), new_message(communication_id="mine")]
    first, second = (business.submit(*given, request_id=request_id) for _ in range(2))
    assert first == second
    assert len({message.communication_id for message in first}) == 3
    assert len(business.list()) == 3


def test_the_same_request_id_in_two_businesses_makes_two_communications(
    business: Business, service: QueueServiceUnderTest
):
    other = Business(service)
    request_id = str(uuid_utils.uuid7())
    (mine,), (theirs,) = (each.submit(new_message(), request_id=request_id) for each in (business, other))
    assert mine.communication_id != theirs.communication_id
    assert mine.id != theirs.id
    other.close()


def test_two_messages_of_a_call_may_be_of_one_communication_and_its_first_contact_stays(
    business: Business, service: QueueServiceUnderTest
):
    one = new_message(communication_id="c", recipient_contact="first@example.org")
    two = new_message(communication_id="c", channel=pb.CHANNEL_SMS, recipient_contact="+2")
    business.submit(one, two)
    business.send(communication_id="c", recipient_contact="third@example.org")
    assert len(business.history("c")) == 3
    rows = service.execute("SELECT channel, recipient_contact FROM communication WHERE business_id = %s", business.id)
    assert rows == [("email", "first@example.org")]


def test_calls_that_name_one_new_communication_at_once_all_succeed(business: Business):
    barrier = threading.Barrier(8)

    def send(number: int) -> str:
        barrier.wait(10)
        return business.send(communication_id="shared", body=str(number)).id

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(send, range(8)))
    assert {message.id for message in business.history("shared")} == ids


# ---- what is refused ----------------------------------------------------------------------------------------------------

UNKNOWN: Any = 99


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"channel": pb.CHANNEL_UNSPECIFIED}, "channel"),
        ({"channel": UNKNOWN}, "channel"),
        ({"recipient_contact": ""}, "recipient_contact"),
        ({"recipient_contact": " \t"}, "recipient_contact"),
        ({"recipient_contact": "a@" + "b" * 319}, "recipient_contact"),
        ({"recipient_contact": "ann"}, "recipient_contact"),
        ({"recipient_contact": "@example.org"}, "recipient_contact"),
        ({"recipient_contact": "ann@"}, "recipient_contact"),
        ({"recipient_contact": "ann@ "}, "recipient_contact"),
        ({"recipient_contact": "ann@b@c"}, "recipient_contact"),
        ({"recipient_contact": "ann\0@b"}, "recipient_contact"),
        ({"subject": ""}, "subject"),
        ({"subject": "s" * 256}, "subject"),
        ({"subject": "a\0"}, "subject"),
        ({"body": None}, "body"),
        ({"body": ""}, "body"),
        ({"body": "b" * 10_001}, "body"),
        ({"body": "a\0"}, "body"),
        ({"priority": UNKNOWN}, "priority"),
        ({"scheduled_at": Timestamp(seconds=2**62)}, "scheduled_at"),
        ({"scheduled_at": Timestamp(seconds=1, nanos=-1)}, "scheduled_at"),
        ({"max_attempts": 11}, "max_attempts"),
        ({"max_attempts": -1}, "max_attempts"),
        ({"communication_id": "c" * 256}, "communication_id"),
        ({"communication_id": "a\0"}, "communication_id"),
    ],
)
def test_a_bad_message_is_refused_by_the_name_of_its_field_and_nothing_is_stored(
    business: Business, fields: dict[str, Any], name: str
):
    with refused("INVALID_FIELD") as seen:
        business.submit(new_message(), new_message(**fields))
    assert seen[0].fields == (f"messages[1].{name}",)
    assert "must" in seen[0].message
    assert business.list() == []


def test_bad_fields_are_named_in_the_order_of_the_messages_and_their_fields(business: Business):
    bad = pb.NewMessage(subject="", max_attempts=11, communication_id="\0", priority=UNKNOWN, template_id="none")
    with refused("INVALID_FIELD") as seen:
        business.submit(bad, new_message(body=""))
    names = ["channel", "recipient_contact", "subject", "template_id", "priority", "max_attempts", "communication_id"]
    assert seen[0].fields == (*(f"messages[0].{name}" for name in names), "messages[1].body")


def test_the_longest_texts_are_taken(business: Business):
    message = business.send(
        recipient_contact="😀" * 318 + "@b", subject="😀" * 255, body="😀" * 10_000, communication_id="😀" * 255
    )
    assert business.history("😀" * 255) == [message]


@pytest.mark.parametrize("count", [0, 101])
def test_a_batch_has_1_to_100_messages(business: Business, count: int):
    with refused("INVALID_FIELD") as seen:
        business.submit(*(new_message() for _ in range(count)))
    assert seen[0].fields == ("messages",)


@pytest.mark.parametrize("request_id", ["x", "5e95d038-3300-4b2a-a72d-01daf7285980"])
def test_a_request_id_is_a_uuid_version_7(business: Business, request_id: str):
    with refused("INVALID_FIELD") as seen:
        business.submit(new_message(), request_id=request_id)
    assert seen[0].fields == ("request_id",)
