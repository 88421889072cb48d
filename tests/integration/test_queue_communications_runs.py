"""What runs leave of a message: its status, an outbox entry, and the failed attempts as history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from jobline.v1 import communication_service_pb2 as pb
from support.communications import LATER, PROVIDER_ERROR, Business, claim_message, sent, status_of
from support.eventually import eventually_blocking
from support.queue_calls import refused
from support.queue_service import QueueServiceUnderTest, queue_service
from support.stack import Databases

#: So short that a lost worker, and a run that takes too long, are found out within a test.
HASTY = '[queues.communications]\nbackoff = ["10ms"]\nlease = "1s"\ntimeout = "3s"\n'


def times(message: pb.Message) -> list[datetime]:
    """The times that are set, in the order that they must have."""
    names = ("created_at", "started_at", "completed_at", "updated_at")
    return [getattr(message, name).ToDatetime(UTC) for name in names if message.HasField(name)]


# ---- a run --------------------------------------------------------------------------------------------------------------


def test_a_message_says_processing_from_the_moment_of_its_claim(business: Business, service: QueueServiceUnderTest):
    message = business.send()
    run = claim_message(business.operator)
    found = business.get(message.id)
    assert (status_of(found), found.attempts) == ("processing", 1)
    assert found.HasField("started_at")
    assert business.stats().processing == 1
    rows = service.execute("SELECT status, attempts FROM communication_queue WHERE id = %s", message.id)
    assert rows == [("processing", 1)]
    business.operator.release(run)
    found = business.get(message.id)
    assert (status_of(found), found.attempts, found.HasField("started_at")) == ("pending", 0, False)
    assert business.history(message.communication_id) == [found]


def test_a_sent_message_is_completed_and_in_the_outbox(business: Business, service: QueueServiceUnderTest):
    message = business.send(subject="Hi", body="There", communication_id="c")
    run = claim_message(business.operator)
    assert [business.operator.complete(run, sent()) for _ in range(3)] == [1, 2, 2]
    found = business.get(message.id)
    assert (status_of(found), found.attempts, found.last_error) == ("completed", 1, "")
    assert times(found) == sorted(times(found))
    assert len(times(found)) == 4
    (entry,) = business.outbox()
    assert (entry.job_id, entry.communication_id, entry.channel) == (message.id, "c", pb.CHANNEL_EMAIL)
    assert (entry.recipient_contact, entry.subject, entry.body, entry.attempt) == ("ann@example.org", "Hi", "There", 1)
    assert entry.sent_at.ToDatetime(UTC) <= datetime.now(UTC)
    stats = business.stats()
    assert (stats.completed, stats.HasField("oldest_pending")) == (1, False)
    took = (found.completed_at.ToDatetime(UTC) - found.started_at.ToDatetime(UTC)).total_seconds()
    assert stats.avg_processing_time_seconds == pytest.approx(took)


def test_what_a_provider_took_is_not_in_the_outbox(business: Business):
    message = business.send()
    business.operator.complete(claim_message(business.operator), sent("sendgrid", "abc"))
    assert (business.status(message.id), business.outbox()) == ("completed", [])


def test_pages_of_the_outbox_have_each_entry_once_and_end(business: Business):
    sent_ids = []
    for number in range(5):
        sent_ids.append(business.send(communication_id="ab"[number % 2]).id)
        business.send_out()
    list_outbox = business.calls.communications.ListOutbox
    pages, token = [], ""
    while True:
        page = list_outbox(pb.ListOutboxRequest(business_id=business.id, limit=2, page_token=token))
        pages.append([entry.job_id for entry in page.entries])
        if not (token := page.next_page_token):
            break
    assert pages == [sent_ids[:2], sent_ids[2:4], sent_ids[4:]]
    of_a = pb.ListOutboxRequest(business_id=business.id, limit=2, communication_id="a")
    of_a.page_token = list_outbox(of_a).next_page_token
    assert [entry.job_id for entry in list_outbox(of_a).entries] == sent_ids[4:]
    of_jobs = business.calls.communications.ListMessages(pb.ListMessagesRequest(business_id=business.id, page_size=1))
    for bad in ("x", of_jobs.next_page_token):
        with refused("INVALID_FIELD") as seen:
            business.outbox(page_token=bad)
        assert seen[0].fields == ("page_token",)


def test_the_outbox_is_in_sending_order_and_can_be_narrowed(business: Business, service: QueueServiceUnderTest):
    high = business.send(
        channel=pb.CHANNEL_SMS, subject="unseen", communication_id="a", scheduled_at=datetime(2001, 1, 1, tzinfo=UTC)
    )
    low = business.send(priority=pb.MESSAGE_PRIORITY_LOW, communication_id="b")
    for _ in range(2):
        business.send_out()
    assert [entry.job_id for entry in business.outbox()] == [high.id, low.id]
    assert not business.outbox()[0].HasField("subject")
    assert [entry.job_id for entry in business.outbox(limit=1)] == [high.id]
    assert [entry.job_id for entry in business.outbox(communication_id="b")] == [low.id]
    assert business.outbox(communication_id="a\0") == []
    for limit in (-1, 1001):
        with refused("INVALID_FIELD") as seen:
            business.outbox(limit=limit)
        assert seen[0].fields == ("limit",)
    other = Business(service)
    assert other.outbox() == []
    other.close()


@pytest.mark.parametrize(
    "result",
    [None, {}, [], "outbox", sent("fax"), {"provider": "outbox"}, {**sent(), "more": 1}, sent(message_id=None)],
)
def test_a_result_that_names_no_provider_fails_the_message_and_leaves_no_entry(business: Business, result: Any):
    message = business.send()
    business.operator.complete(claim_message(business.operator), result)
    found = business.get(message.id)
    assert (status_of(found), business.outbox()) == ("failed", [])
    assert found.last_error.startswith("The worker's result is not an object with a provider")
    assert business.operator.job(message.id).error.code == "RESULT_REJECTED"


# ---- history ------------------------------------------------------------------------------------------------------------


def test_each_failed_attempt_that_another_follows_is_an_entry_and_the_last_is_the_job(
    business: Business, service: QueueServiceUnderTest
):
    message = business.send(communication_id="c")
    business.fail_once("Connection timeout")
    business.fail_once(PROVIDER_ERROR)
    waiting = business.get(message.id)
    assert (status_of(waiting), waiting.attempts, waiting.last_error) == ("pending", 2, PROVIDER_ERROR)
    business.send_out()
    first, second, last = business.history("c")
    assert [(status_of(each), each.attempts, each.last_error) for each in (first, second, last)] == [
        ("failed", 1, "Connection timeout"),
        ("failed", 2, PROVIDER_ERROR),
        ("completed", 3, ""),
    ]
    assert len({first.id, second.id, last.id}) == 3
    assert last == business.get(message.id)
    due = [each.scheduled_at.ToDatetime(UTC) for each in (first, second, last)]
    assert due == sorted(due)
    assert first.scheduled_at == message.scheduled_at
    for entry in (first, second):
        assert (entry.payload, entry.max_attempts, entry.created_at) == (message.payload, 3, message.created_at)
        assert times(entry) == sorted(times(entry))
        assert not entry.HasField("completed_at")
        assert business.get(entry.id) == entry
    rows = service.execute(
        "SELECT id::text, job_id::text, attempts, last_error FROM communication_history WHERE business_id = %s "
        "ORDER BY attempts",
        business.id,
    )
    assert rows == [
        (first.id, message.id, 1, "Connection timeout"),
        (second.id, message.id, 2, PROVIDER_ERROR),
    ]


def test_an_entry_is_read_only_and_counts_nowhere(business: Business, service: QueueServiceUnderTest):
    message = business.send(communication_id="c")
    business.fail_once()
    entry = business.history("c")[0]
    assert (business.stats().pending, business.stats().failed) == (1, 0)
    assert [each.id for each in business.list()] == [message.id]
    assert [each.id for answer in business.export() for each in answer.messages] == [message.id]
    for act in (business.retry, business.cancel, business.delete):
        with refused("JOB_NOT_FOUND"):
            act(entry.id)
    other = Business(service)
    with refused("JOB_NOT_FOUND"):
        other.get(entry.id)
    assert other.history("c") == []
    other.close()


def test_a_manual_retry_makes_the_failed_attempt_an_entry_too(business: Business):
    message = business.send(communication_id="c", max_attempts=2)
    business.fail_once("first")
    business.fail_once("second")
    failed = business.get(message.id)
    assert (status_of(failed), failed.attempts, failed.last_error) == ("failed", 2, "second")
    assert [each.last_error for each in business.history("c")] == ["first", "second"]
    assert business.history("c")[1] == failed

    retried = business.retry(message.id)
    assert (status_of(retried), retried.attempts, retried.last_error) == ("pending", 0, "")
    assert retried.scheduled_at == retried.updated_at
    assert retried.scheduled_at.ToDatetime(UTC) > failed.updated_at.ToDatetime(UTC)
    assert not retried.HasField("started_at")
    assert business.get(message.id) == retried
    assert [each.last_error for each in business.history("c")] == ["first", "second", ""]

    business.fail_once("third")
    business.send_out()
    found = business.history("c")
    assert [(each.attempts, each.last_error) for each in found] == [(1, "first"), (2, "second"), (1, "third"), (2, "")]
    assert [each.scheduled_at.ToDatetime(UTC) for each in found] == sorted(
        each.scheduled_at.ToDatetime(UTC) for each in found
    )


def test_two_jobs_of_a_communication_are_listed_together(business: Business):
    late = business.send(communication_id="c", scheduled_at=LATER)
    early = business.send(communication_id="c")
    business.fail_once()
    listed = business.history("c")
    assert [each.id for each in listed[1:]] == [early.id, late.id]
    assert status_of(listed[0]) == "failed"
    for unknown in ("d", "", "c\0", "x" * 256, "%"):
        assert business.history(unknown) == []


def test_an_error_is_cut_to_a_thousand_characters(business: Business):
    message = business.send_failing("SMTP error: " + "é" * 2000)
    assert len(message.last_error) == 1000
    assert message.last_error.startswith("SMTP error: éé")


# ---- lost workers -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hasty(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueServiceUnderTest]:
    with databases.fresh() as url, queue_service(url, tmp_path_factory.mktemp("hasty"), HASTY) as running:
        yield running


def test_a_run_that_is_lost_after_its_work_leaves_one_entry_of_the_run_that_ended(hasty: QueueServiceUnderTest):
    business = Business(hasty)
    message = business.send(communication_id="c", max_attempts=2)
    lost = claim_message(business.operator)
    business.operator.report(lost, "send", send=sent())  # the work is done, its outcome never arrives
    eventually_blocking(lambda: business.status(message.id) == "pending", what="the run is found lost")
    assert business.get(message.id).last_error == "Worker lost"
    again = claim_message(business.operator)
    assert [step.name for step in again.finished_steps] == ["send"]
    with refused("STALE_LEASE"):
        business.operator.complete(lost, sent())
    assert business.outbox() == []
    business.operator.complete(again, sent())
    assert [entry.attempt for entry in business.outbox()] == [2]
    assert [(status_of(each), each.last_error) for each in business.history("c")] == [
        ("failed", "Worker lost"),
        ("completed", ""),
    ]
    business.close()


def test_a_run_that_takes_too_long_counts_as_lost(hasty: QueueServiceUnderTest):
    business = Business(hasty)
    message = business.send(max_attempts=1)
    run = claim_message(business.operator)

    def has_failed() -> bool:
        business.operator.heartbeat(run)
        return business.status(message.id) == "failed"

    eventually_blocking(has_failed, what="the run is found too long")
    assert business.get(message.id).last_error == "Worker lost"
    business.close()
