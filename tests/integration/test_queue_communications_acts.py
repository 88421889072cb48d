"""What people do about their messages: cancel, retry, delete, one by one and hundreds at once."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from jobline.v1 import communication_service_pb2 as pb
from jobline.v1 import work_service_pb2 as work_pb
from jobline_queue.dispatch.acts import Act, ActAnswer
from jobline_queue.modules.communications.acts import MessageActs
from jobline_queue.modules.communications.store import MessageStore
from jobline_queue.store.engine import open_pool
from support.communications import (
    KIND,
    LATER,
    PROVIDER_ERROR,
    QUEUE,
    Business,
    claim_message,
    new_message,
    sent,
    status_of,
)
from support.queue_calls import refused
from support.queue_service import QueueServiceUnderTest


def test_a_cancelled_pending_message_is_never_sent_until_it_is_retried(business: Business):
    message = business.send()
    cancelled = business.cancel(message.id)
    assert (status_of(cancelled), cancelled.attempts) == ("cancelled", 0)
    assert cancelled.scheduled_at == message.scheduled_at
    assert business.operator.claim(QUEUE, kinds=[KIND]) == []
    assert status_of(business.retry(message.id)) == "pending"
    assert business.send_out().job_id == message.id


@pytest.mark.parametrize("outcome", ["completed", "failed"])
def test_a_cancel_voids_what_the_worker_says_later_and_notes_it(business: Business, outcome: str):
    message = business.send(communication_id="c")
    run = claim_message(business.operator)
    cancelled = business.cancel(message.id)
    assert (status_of(cancelled), cancelled.attempts, cancelled.HasField("started_at")) == ("cancelled", 1, True)
    with refused("CANCELLED"):
        if outcome == "completed":
            business.operator.complete(run, sent())
        else:
            business.operator.fail(run, message=PROVIDER_ERROR)
    found = business.get(message.id)
    assert (status_of(found), found.last_error, business.outbox()) == ("cancelled", "", [])
    assert business.history("c") == [found]
    noted = [(event.name, event.detail) for event in business.operator.explain(message.id).events]
    assert noted[0] == ("cancelled", "")
    assert noted[1][0] == "voided"
    assert noted[1][1].startswith(outcome)


def test_a_stuck_message_is_cancelled_retried_and_sent_once(business: Business):
    message = business.send()
    stuck = claim_message(business.operator)
    business.cancel(message.id)
    retried = business.retry(message.id)
    assert (status_of(retried), retried.attempts) == ("pending", 0)
    business.send_out()
    with refused("CANCELLED"):
        business.operator.complete(stuck, sent())
    assert len(business.outbox()) == 1


async def test_a_cancel_is_answered_as_it_was_done_though_a_retry_comes_right_behind_it(
    business: Business, service: QueueServiceUnderTest
):
    async def cancelled_and_retried(active: Any, make: Callable[[ActAnswer], Act]) -> None:
        job_id = make(lambda error: None).job_id
        business.operator.cancel(job_id)
        business.operator.retry(job_id)

    message = business.send(scheduled_at=LATER)
    engine = open_pool(service.database_url)
    acts = MessageActs(SimpleNamespace(active=None), MessageStore(engine), cancelled_and_retried)
    row = await acts.cancel(business.id, message.id, "ann")
    await engine.dispose()
    assert (row["id"], row["status"], business.status(message.id)) == (message.id, "cancelled", "pending")


def test_acts_that_the_status_does_not_allow_change_nothing(business: Business):
    completed, failed = business.send(), business.send_failing(priority=pb.MESSAGE_PRIORITY_HIGH)
    business.send_out()
    processing, pending = business.send(), business.send(scheduled_at=LATER)
    claim_message(business.operator)
    cancelled = business.cancel(business.send().id)
    expected = {
        business.retry: {"completed": completed, "processing": processing, "pending": pending},
        business.cancel: {"completed": completed, "failed": failed, "cancelled": cancelled},
    }
    for act, messages in expected.items():
        for word, message in messages.items():
            before = business.get(message.id)
            with refused("ILLEGAL_TRANSITION") as seen:
                act(message.id)
            assert (seen[0].status, seen[0].metadata) == ("FAILED_PRECONDITION", {"state": word})
            assert business.get(message.id) == before


@pytest.mark.parametrize("how", ["get", "retry", "cancel", "delete"])
def test_a_job_of_another_business_is_not_found_and_neither_is_an_id_that_is_none(
    business: Business, service: QueueServiceUnderTest, how: str
):
    other = Business(service)
    message = other.send()
    for unknown in (message.id, "00000000-0000-7000-8000-000000000000", "42", "", "a\0b", "é" * 36, "x" * 5000):
        with refused("JOB_NOT_FOUND") as seen:
            getattr(business, how)(unknown)
        assert seen[0].status == "NOT_FOUND"
    assert other.get(message.id.upper()) == message
    other.close()


@pytest.mark.parametrize("state", ["pending", "waiting", "processing", "completed", "failed", "cancelled"])
def test_delete_leaves_no_row_with_the_contact_anywhere(business: Business, service: QueueServiceUnderTest, state: str):
    contact, others = f"secret-{state}@example.org", f"other-{state}@example.org"
    message = business.send(recipient_contact=contact, subject=contact, body=contact, max_attempts=2)
    other = business.send(recipient_contact=others, scheduled_at=LATER, communication_id=message.communication_id)
    run = bring(business, message.id, state)
    business.delete(message.id)
    assert [each.id for each in business.history(message.communication_id)] == [other.id]
    assert (business.list(), business.outbox()) == ([other], [])
    for gone in (business.get, business.delete, business.retry, business.cancel):
        with refused("JOB_NOT_FOUND"):
            gone(message.id)
    if state == "processing":
        with refused("STALE_LEASE"):
            business.operator.complete(run, sent())
        assert business.outbox() == []
    assert business.operator.claim(QUEUE, kinds=[KIND]) == []
    assert tables_with(service, contact) == []
    business.delete(other.id)
    assert tables_with(service, others) == []


def bring(business: Business, message_id: str, state: str) -> work_pb.Assignment | None:
    """The one message that is due gets into this state; the run is that of the last claim."""
    run = None
    if state == "cancelled":
        business.cancel(message_id)
    elif state != "pending":
        business.fail_once()
        run = claim_message(business.operator) if state != "waiting" else None
    if run is not None and state == "completed":
        business.operator.complete(run, sent())
    elif run is not None and state == "failed":
        business.operator.fail(run)
    return run


def tables_with(service: QueueServiceUnderTest, text: str) -> list[str]:
    """The tables of which a row has this text in some column."""
    tables = service.execute(
        "SELECT table_schema || '.' || table_name FROM information_schema.tables "
        "WHERE table_schema IN ('jobline', 'public') AND table_type = 'BASE TABLE'"
    )
    return [
        name
        for (name,) in tables
        if service.execute(f"SELECT 1 FROM {name} t WHERE CAST(t AS text) LIKE %s LIMIT 1", f"%{text}%")
    ]


def test_a_job_added_while_the_last_one_of_its_communication_goes_keeps_the_communication(
    business: Business, service: QueueServiceUnderTest
):
    message = business.send(communication_id="c", scheduled_at=LATER)
    for number in range(25):
        barrier = threading.Barrier(2)

        def delete(message_id: str = message.id, barrier: threading.Barrier = barrier) -> None:
            barrier.wait(10)
            business.delete(message_id)

        with ThreadPoolExecutor(1) as pool:
            gone = pool.submit(delete)
            barrier.wait(10)
            message = business.send(communication_id="c", scheduled_at=LATER, recipient_contact=f"{number}@example.org")
            gone.result(10)
        rows = service.execute("SELECT recipient_contact FROM communication WHERE business_id = %s", business.id)
        assert rows == [(f"{number}@example.org",)]


# ---- many at once -------------------------------------------------------------------------------------------------------


def test_a_bulk_retry_takes_the_failed_jobs_that_match(business: Business):
    timeout = business.send_failing("Connection timeout")
    refusal = business.send_failing("SMTP error: 550 100%_sure", channel=pb.CHANNEL_SMS)
    waiting = business.send(scheduled_at=LATER)
    fail_late = business.cancel(business.send().id)
    dry = business.retry_failed(dry_run=True)
    assert (dry.count, list(dry.sample)) == (2, [refusal, timeout])
    assert business.retry_failed(dry_run=True, error="TIMEOUT").sample[0] == timeout
    assert business.retry_failed(dry_run=True, error="%_").sample[0] == refusal
    assert business.retry_failed(dry_run=True, channel=pb.CHANNEL_SMS).count == 1
    assert business.retry_failed(dry_run=True, channel=pb.CHANNEL_MESSENGER).count == 0
    assert business.retry_failed(dry_run=True, before=refusal.updated_at).count == 1
    assert business.retry_failed(dry_run=True, expected_count=2).count == 2
    assert (business.status(timeout.id), business.status(refusal.id)) == ("failed", "failed")

    for count in (0, 1, 3):
        with refused("COUNT_CHANGED") as seen:
            business.retry_failed(expected_count=count)
        assert (seen[0].status, seen[0].metadata) == ("FAILED_PRECONDITION", {"count": "2"})
    assert business.stats().failed == 2

    done = business.retry_failed(error="timeout", expected_count=1)
    assert (done.count, [each.id for each in done.sample]) == (1, [timeout.id])
    assert status_of(done.sample[0]) == "pending"
    assert business.retry_failed().count == 1
    assert business.retry_failed().count == 0
    assert (business.status(waiting.id), business.status(fail_late.id)) == ("pending", "cancelled")


def test_a_bulk_retry_of_hundreds_retries_each_once_though_two_call_at_once(
    business: Business, service: QueueServiceUnderTest
):
    ids = [
        message.id for _ in range(3) for message in business.submit(*(new_message(max_attempts=1) for _ in range(100)))
    ]
    while runs := business.operator.claim(QUEUE, kinds=[KIND], most=10):
        for run in runs:
            business.operator.fail(run)
    assert business.stats().failed == 300
    first = business.calls.communications.RetryFailedMessages
    with ThreadPoolExecutor(2) as pool:
        request = pb.RetryFailedMessagesRequest(business_id=business.id)
        counts = [answer.count for answer in pool.map(first, itertools.repeat(request, 2))]
    assert sum(counts) == 300
    assert business.stats().pending == 300
    retried = service.execute(
        "SELECT count(*), count(DISTINCT job_id) FROM jobline.events WHERE name = 'retried' AND job_id = ANY(%s::uuid[])",
        ids,
    )
    assert retried == [(300, 300)]


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"error": "e" * 201}, "error"),
        ({"error": "\0"}, "error"),
        ({"channel": 9}, "channel"),
        ({"before": {"seconds": 2**60}}, "before"),
    ],
)
def test_a_bad_condition_of_a_bulk_retry_is_refused(business: Business, fields: dict[str, Any], name: str):
    with refused("INVALID_FIELD") as seen:
        business.retry_failed(**fields)
    assert seen[0].fields == (name,)
