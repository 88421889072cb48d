"""Messages as plain jobs: JobService takes them in the stored form only, and they go with their business."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from jobline.v1 import communication_service_pb2 as pb
from jobline.v1 import job_pb2
from support.communications import KIND, QUEUE, Business, new_message
from support.queue_calls import Calls, new_job, refused
from support.queue_service import QueueServiceUnderTest

PAYLOAD = {
    "communication_id": "c",
    "channel": "sms",
    "recipient_contact": "+1",
    "subject": None,
    "body": "Hello",
    "text": '{"channel":"sms","recipientContact":"+1","body":"Hello"}',
}


def shown(more: str) -> dict[str, Any]:
    """The payload, with more in what is shown of it."""
    return {**PAYLOAD, "text": f'{{"channel":"sms","recipientContact":"+1",{more}}}'}


def job_of(business: Business, payload: Any = None, **fields: Any) -> job_pb2.Job:
    return new_job(
        **{"queue_name": QUEUE, "kind": KIND, "owner": business.owner, "payload": payload or PAYLOAD, **fields}
    )


def test_a_job_in_the_stored_form_is_a_message_like_others(business: Business, service: QueueServiceUnderTest):
    with Calls(service.address, service.producer_token) as producer:
        (job_id,) = producer.enqueue(job_of(business, priority=-10))
    message = business.get(job_id)
    assert (message.payload, message.priority) == (PAYLOAD["text"], pb.MESSAGE_PRIORITY_LOW)
    assert business.history("c") == [message]
    rows = service.execute("SELECT id, recipient_contact FROM communication WHERE business_id = %s", business.id)
    assert rows == [("c", "+1")]


def test_a_job_may_show_all_that_a_caller_can_give(business: Business):
    payload = shown('"subject":"é","body":"b","templateId":"notice","templateVariables":{"a":"x","b":1.50,"c":true}')
    (job_id,) = business.operator.enqueue(job_of(business, payload))
    assert business.get(job_id).payload == payload["text"]


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"queue_name": "other"}, "queue"),
        ({"owner": "user:ann"}, "owner"),
        ({"owner": "business:"}, "owner"),
        ({"priority": 5}, "priority"),
        ({"max_attempts": 11}, "max_attempts"),
        ({"payload": [1]}, "payload_json"),
        ({"payload": {**PAYLOAD, "more": 1}}, "payload_json"),
        ({"payload": {key: value for key, value in PAYLOAD.items() if key != "subject"}}, "payload_json"),
        ({"payload": {**PAYLOAD, "channel": "fax"}}, "payload_json.channel"),
        ({"payload": {**PAYLOAD, "channel": ["sms"]}}, "payload_json.channel"),
        ({"payload": {**PAYLOAD, "recipient_contact": 7}}, "payload_json.recipient_contact"),
        ({"payload": {**PAYLOAD, "subject": ""}}, "payload_json.subject"),
        ({"payload": {**PAYLOAD, "body": None}}, "payload_json.body"),
        ({"payload": {**PAYLOAD, "communication_id": ""}}, "payload_json.communication_id"),
        ({"payload": {**PAYLOAD, "text": "no JSON"}}, "payload_json.text"),
        ({"payload": {**PAYLOAD, "text": "[]"}}, "payload_json.text"),
        ({"payload": {**PAYLOAD, "text": "[" * 5000}}, "payload_json.text"),
        ({"payload": {**PAYLOAD, "text": '{"channel":"sms","recipientContact":"+2"}'}}, "payload_json.text"),
        ({"payload": shown('"key":1')}, "payload_json.text"),
        ({"payload": shown('"subject":"\\ud800"')}, "payload_json.text"),
        ({"payload": shown('"subject":"\\u0000"')}, "payload_json.text"),
        ({"payload": shown('"subject":["x"]')}, "payload_json.text"),
        ({"payload": shown('"subject":null')}, "payload_json.text"),
        ({"payload": shown('"body":{}')}, "payload_json.text"),
        ({"payload": shown('"body":""')}, "payload_json.text"),
        ({"payload": shown('"templateId":7')}, "payload_json.text"),
        ({"payload": shown('"templateVariables":[]')}, "payload_json.text"),
        ({"payload": shown('"templateVariables":{"a":null}')}, "payload_json.text"),
        ({"payload": shown('"templateVariables":{"a":{"b":1}}')}, "payload_json.text"),
        ({"payload": shown('"templateVariables":{"a":"\\udc00"}')}, "payload_json.text"),
        ({"payload": shown('"templateVariables":{"a":NaN}')}, "payload_json.text"),
        ({"payload": shown('"templateVariables":{"a":1e999}')}, "payload_json.text"),
    ],
)
def test_a_job_that_is_no_message_is_refused(business: Business, fields: dict[str, Any], name: str):
    with refused("INVALID_FIELD") as seen:
        business.operator.enqueue(job_of(business), job_of(business, **fields))
    assert name in {field.removeprefix("jobs[1].") for field in seen[0].fields}
    assert business.list() == []


def test_a_job_of_a_business_that_nobody_stored_is_refused(business: Business, service: QueueServiceUnderTest):
    with refused("BUSINESS_NOT_FOUND") as seen:
        business.operator.enqueue(job_of(business), job_of(business, owner="business:nobody"))
    assert seen[0].status == "NOT_FOUND"
    assert business.list() == []
    assert service.execute("SELECT 1 FROM communication WHERE business_id IN ('nobody', %s)", business.id) == []


def test_a_deleted_business_takes_its_jobs_contacts_and_members_along(
    business: Business, service: QueueServiceUnderTest
):
    (message,) = business.submit(new_message(scheduled_at=datetime(2031, 1, 1, tzinfo=UTC)))
    business.set_member("ann", "Support")
    service.execute("DELETE FROM businesses WHERE id = %s", business.id)
    with refused("BUSINESS_NOT_FOUND"):
        business.get(message.id)
    for table in ("communication", "business_members", "communication_outbox"):
        assert service.execute(f"SELECT 1 FROM {table} WHERE business_id = %s", business.id) == []
    assert service.execute("SELECT 1 FROM jobline.jobs WHERE owner = %s", business.owner) == []
    assert [(event.name, event.actor) for event in business.operator.explain(message.id).events] == [("deleted", "sql")]
