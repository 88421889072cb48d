"""The e-mail surface over gRPC: batches, the live list with its positions, and cancels."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
import uuid_utils

from jobline.v1 import email_service_pb2 as pb
from support.email_user import KIND, QUEUE, RESULT, TEMPLATE, User, claim_item
from support.queue_calls import Calls, Refusal, new_job, refused
from support.queue_service import QueueServiceUnderTest

# ---- submit -------------------------------------------------------------------------------------------------------------


def test_a_batch_is_queued_in_its_order_and_stored_as_sent(users: tuple[User, User], operator: Calls):
    ada, _ = users
    items = [
        pb.EmailRecipient(recipient_name="  Dr. Jane  ", recipient_interest="é" * 500),
        pb.EmailRecipient(recipient_name="王小", recipient_interest="😀😀"),
    ]
    ids = ada.emails.SubmitEmails(pb.SubmitEmailsRequest(items=items, email_template=TEMPLATE)).queue_item_ids
    assert [(item.id, item.recipient_name, item.position) for item in ada.items()] == [
        (ids[0], "  Dr. Jane  ", 1),
        (ids[1], "王小", 2),
    ]
    payload = json.loads(claim_item(operator).payload_json)
    assert payload == {
        "recipient_name": "  Dr. Jane  ",
        "recipient_interest": "é" * 500,
        "email_template": TEMPLATE,
    }


@pytest.mark.parametrize(
    ("names", "interest", "template", "fields"),
    [
        ([], "engines", TEMPLATE, {"items"}),
        (["Ada"] * 101, "engines", TEMPLATE, {"items"}),
        (["A"], "engines", TEMPLATE, {"items[0].recipient_name"}),
        (["Ada", "a" * 256], "engines", TEMPLATE, {"items[1].recipient_name"}),
        (["   "], "engines", TEMPLATE, {"items[0].recipient_name"}),
        (["A\0a"], "engines", TEMPLATE, {"items[0].recipient_name"}),
        (["Ada"], "e", TEMPLATE, {"items[0].recipient_interest"}),
        (["Ada"], "e" * 501, TEMPLATE, {"items[0].recipient_interest"}),
        (["Ada"], "engines", "{{name}}", {"email_template"}),
        (["Ada"], "engines", "x" * 5001, {"email_template"}),
        (["Ada"], "engines", " " * 20, {"email_template"}),
        (["Ada"], "engines", "no placeholder at all", {"email_template"}),
        (["Ada"], "engines", "empty {{}} braces", {"email_template"}),
        (["A"], "e", "x", {"items[0].recipient_name", "items[0].recipient_interest", "email_template"}),
    ],
)
def test_a_bad_batch_stores_nothing_and_names_every_bad_field(
    users: tuple[User, User], names: list[str], interest: str, template: str, fields: set[str]
):
    items = [pb.EmailRecipient(recipient_name=name, recipient_interest=interest) for name in names]
    with refused("INVALID_FIELD") as seen:
        users[0].emails.SubmitEmails(pb.SubmitEmailsRequest(items=items, email_template=template))
    assert set(seen[0].fields) == fields
    assert users[0].items() == []


def test_a_submit_repeated_with_its_request_id_queues_nothing_more(users: tuple[User, User]):
    item = pb.EmailRecipient(recipient_name="Ada", recipient_interest="engines")
    request = pb.SubmitEmailsRequest(items=[item, item], email_template=TEMPLATE, request_id=str(uuid_utils.uuid7()))
    first, second = (list(users[0].emails.SubmitEmails(request).queue_item_ids) for _ in range(2))
    assert first == second
    assert len(users[0].items()) == 2


def test_a_service_names_the_user_and_a_gateway_may_not_name_another(
    service: QueueServiceUnderTest, users: tuple[User, User], operator: Calls
):
    item = pb.EmailRecipient(recipient_name="Ada", recipient_interest="engines")
    request = pb.SubmitEmailsRequest(items=[item], email_template=TEMPLATE, user_id=users[1].sub)
    with Calls(service.address, service.producer_token) as producer:
        (item_id,) = producer.emails.SubmitEmails(request).queue_item_ids
        assert [each.id for each in users[1].items()] == [item_id]
        with refused("INVALID_FIELD"):
            producer.emails.ListQueueItems(pb.ListQueueItemsRequest())
    with refused("INVALID_FIELD"):
        users[0].emails.SubmitEmails(request)
    with refused("INVALID_FIELD") as seen:
        operator.enqueue(new_job(QUEUE, {"recipient_name": "x"}, kind=KIND, owner="user:a"))
    assert seen[0].fields == ("jobs[0].payload_json",)


# ---- positions and cancels ----------------------------------------------------------------------------------------------


def test_positions_are_global_consecutive_and_fall(users: tuple[User, User], operator: Calls):
    ada, bob = users
    first = ada.submit(3)
    second = bob.submit(2)
    ada.submit(1)
    assert (ada.positions(), bob.positions()) == ([1, 2, 3, 6], [4, 5])
    ada.cancel(first[1])
    assert (ada.positions(), bob.positions()) == ([1, 2, 5], [3, 4])
    run = claim_item(operator)
    assert run.job_id == first[0]
    assert (ada.positions(), bob.positions()) == ([0, 1, 4], [2, 3])
    operator.release(run)
    assert (ada.positions(), bob.positions()) == ([1, 2, 5], [3, 4])
    assert bob.items()[0].id == second[0]


def test_an_item_in_processing_shows_its_step_and_cannot_be_cancelled(users: tuple[User, User], operator: Calls):
    ada, bob = users
    item_id, waiting = ada.submit(2)
    run = claim_item(operator)
    assert operator.claim(QUEUE, kinds=[KIND]) == [], "one at a time in the whole system"
    item = ada.item(item_id)
    assert (ada.status(item_id), item.position, item.current_step) == ("processing", 0, "template_parser")
    operator.report(run, "web_scraper")
    assert ada.item(item_id).current_step == "web_scraper"
    assert ada.item(waiting).position == 1
    with refused("ILLEGAL_TRANSITION") as seen:
        ada.cancel(item_id)
    assert (seen[0].status, seen[0].metadata) == ("FAILED_PRECONDITION", {"state": "processing"})
    with refused("JOB_NOT_FOUND"):
        bob.cancel(item_id)
    operator.complete(run, RESULT)
    with refused("ILLEGAL_TRANSITION") as seen:
        ada.cancel(item_id)
    assert seen[0].metadata == {"state": "completed"}


def test_a_cancelled_item_is_gone_and_its_event_stays(users: tuple[User, User], operator: Calls):
    ada, bob = users
    (item_id,) = ada.submit()
    with refused("JOB_NOT_FOUND"):
        bob.cancel(item_id)
    with refused("INVALID_FIELD"):
        ada.cancel("42")
    ada.cancel(item_id)
    assert ada.items() == []
    with refused("JOB_NOT_FOUND"):
        ada.cancel(item_id)
    assert operator.claim(QUEUE, kinds=[KIND]) == []
    (event,) = operator.explain(item_id).events
    assert (event.name, event.actor) == ("cancelled", f"user:{ada.sub}")


def test_a_cancel_that_races_with_the_claim_ends_one_way_or_the_other(users: tuple[User, User], operator: Calls):
    ada, _ = users
    for _ in range(15):
        (item_id,) = ada.submit()
        barrier = threading.Barrier(2)

        def cancel(item_id: str = item_id, barrier: threading.Barrier = barrier) -> str:
            barrier.wait(10)
            try:
                ada.cancel(item_id)
            except grpc.RpcError as error:
                return Refusal.of(error).reason
            return "ok"

        with ThreadPoolExecutor(1) as pool:
            cancelled = pool.submit(cancel)
            barrier.wait(10)
            runs = operator.claim(QUEUE, kinds=[KIND], wait=0.05)
            if cancelled.result() == "ok":
                assert runs == []
                assert ada.items() == []
            else:
                assert cancelled.result() == "ILLEGAL_TRANSITION"
                runs = runs or operator.claim(QUEUE, kinds=[KIND], wait=5)
                assert [run.job_id for run in runs] == [item_id]
                operator.delete(item_id)
