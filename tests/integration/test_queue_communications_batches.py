"""What comes in batches: exports, and all there is of one communication. Complete, in order, and nobody waits for others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from jobline.v1 import communication_service_pb2 as pb
from support.communications import LATER, Business, delete_all, insert_long, new_message
from support.queue_service import QueueServiceUnderTest

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)


def ids(messages: Sequence[pb.Message]) -> list[str]:
    return [message.id for message in messages]


# ---- export -------------------------------------------------------------------------------------------------------------


def test_an_export_has_every_job_that_exists_throughout_once_in_batches(business: Business):
    there = [message.id for _ in range(5) for message in business.submit(*[new_message(scheduled_at=LATER)] * 100)]
    request = pb.ExportMessagesRequest(business_id=business.id)
    stream = iter(business.calls.communications.ExportMessages(request))
    batches = [next(stream)]
    business.delete(there[-1])
    business.send()
    batches += stream
    found = [message.id for batch in batches for message in batch.messages]
    assert found[:499] == there[:499]
    assert len(found) == len(set(found)) <= 501
    assert [len(batch.messages) for batch in batches[:2]] == [200, 200]


def test_a_job_that_is_retried_during_an_export_is_not_met_again(service: QueueServiceUnderTest, business: Business):
    """All were created in one moment, so that a retry puts a job behind the others."""
    insert_long(service, business, 450, 100_000)
    request = pb.ExportMessagesRequest(business_id=business.id)
    stream = iter(business.calls.communications.ExportMessages(request))
    found = ids(next(stream).messages)
    for message_id in found:
        business.retry(message_id)
    found += [message.id for batch in stream for message in batch.messages]
    assert len(found) == len(set(found)) == 450
    delete_all(service, business)


def test_exports_that_nobody_reads_keep_nobody_from_theirs(service: QueueServiceUnderTest, business: Business):
    other = Business(service)
    other.send(scheduled_at=NOW + HOUR)
    insert_long(service, business, 1_000, 10_000)
    request = pb.ExportMessagesRequest(business_id=business.id)
    streams = [iter(business.calls.communications.ExportMessages(request)) for _ in range(12)]
    begun = [len(next(stream).messages) for stream in streams]
    assert sum(len(batch.messages) for batch in other.export()) == 1
    rest = [sum(len(batch.messages) for batch in stream) for stream in streams]
    assert [first + more for first, more in zip(begun, rest, strict=True)] == [1_000] * 12
    delete_all(service, business)
    other.close()


# ---- one communication --------------------------------------------------------------------------------------------------


def test_a_communication_of_thousands_of_long_messages_is_listed(service: QueueServiceUnderTest, business: Business):
    insert_long(service, business, 7_000, 10_000)
    request = pb.ListCommunicationMessagesRequest(business_id=business.id, communication_id="c")
    batches = list(business.calls.communications.ListCommunicationMessages(request))
    inserted = service.execute("SELECT id::text FROM jobline.jobs WHERE owner = %s ORDER BY seq", business.owner)
    assert [message.id for batch in batches for message in batch.messages] == [found for (found,) in inserted]
    delete_all(service, business)


def test_a_communication_is_by_when_its_messages_are_due_then_by_insertion(business: Business):
    common = {"communication_id": "c", "scheduled_at": NOW - HOUR}
    low = business.send(priority=pb.MESSAGE_PRIORITY_LOW, **common)
    high = business.send(priority=pb.MESSAGE_PRIORITY_HIGH, **common)
    late = business.send(communication_id="c", scheduled_at=NOW + HOUR)
    assert business.send_out().job_id == high.id
    assert business.send_out().job_id == low.id
    assert ids(business.history("c")) == ids([low, high, late])


def test_a_long_communication_leaves_out_what_is_gone_when_it_is_read(
    service: QueueServiceUnderTest, business: Business
):
    insert_long(service, business, 450, 100_000)
    request = pb.ListCommunicationMessagesRequest(business_id=business.id, communication_id="c")
    stream = iter(business.calls.communications.ListCommunicationMessages(request))
    found = ids(next(stream).messages)
    (last,) = service.execute(
        "DELETE FROM jobline.jobs WHERE id = (SELECT id FROM jobline.jobs WHERE owner = %s ORDER BY seq DESC LIMIT 1) "
        "RETURNING id::text",
        business.owner,
    )
    found += [message.id for batch in stream for message in batch.messages]
    assert len(found) == len(set(found)) == 449
    assert last[0] not in found
    delete_all(service, business)
