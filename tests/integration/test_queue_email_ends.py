"""What an e-mail item leaves when it ends: one e-mail row, an agreed text, or nothing. And what users own."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from jobline.v1 import account_service_pb2 as account_pb
from jobline.v1 import email_service_pb2 as pb
from jobline.v1 import job_pb2
from support.email_user import KIND, QUEUE, RESULT, TEMPLATE, User, claim_item
from support.eventually import eventually_blocking
from support.queue_calls import Calls, refused
from support.queue_service import QueueServiceUnderTest, queue_service
from support.stack import Databases

#: The built-in policies but for their times.
HASTY = '[queues.email_default]\nlease = "1s"\ntimeout = "4s"\n'
SHORT_LIVED = '[queues.email_default]\nexpires_after = "3s"\n'


# ---- ends ---------------------------------------------------------------------------------------------------------------


def test_a_completed_item_has_one_email_and_its_result_is_the_id(
    service: QueueServiceUnderTest, users: tuple[User, User], operator: Calls
):
    ada, bob = users
    (item_id,) = ada.submit()
    run = claim_item(operator)
    statuses = [operator.complete(run, RESULT) for _ in range(3)]
    assert statuses == [1, 2, 2]
    item = ada.item(item_id)
    assert (ada.status(item_id), item.error_message, item.current_step, item.position) == ("completed", "", "", 0)
    assert json.loads(operator.job(item_id).result_json) == {"email_id": item.email_id}
    email = ada.emails.GetEmail(pb.GetEmailRequest(id=item.email_id)).email
    assert (email.user_id, email.recipient_name, email.template_type) == (ada.sub, "Ada", "research")
    assert (email.email_message, email.is_confident, email.displayed) == ("Dear Ada, …", True, True)
    assert json.loads(email.metadata_json) == RESULT["metadata"]
    assert [each.id for each in ada.emails.ListEmails(pb.ListEmailsRequest()).emails] == [email.id]
    for call in (pb.GetEmailRequest(id=email.id), pb.GetEmailRequest(id=str(uuid.uuid4()))):
        with refused("EMAIL_NOT_FOUND"):
            bob.emails.GetEmail(call)
    rows = service.execute("SELECT id::text FROM emails WHERE job_id = %s", item_id)
    assert rows == [(email.id,)]
    assert service.execute("SELECT generation_count FROM users WHERE id = %s", ada.sub) == [(1,)]
    service.execute("DELETE FROM emails WHERE id = %s", email.id)
    assert (ada.status(item_id), ada.item(item_id).email_id) == ("completed", "")


@pytest.mark.parametrize(
    "change",
    [
        {"template_type": "poem"},
        {"email_message": ""},
        {"is_confident": "yes"},
        {"metadata": []},
        {"recipient_name": None},
    ],
)
def test_a_result_that_is_no_email_fails_the_item_and_leaves_no_row(
    service: QueueServiceUnderTest, users: tuple[User, User], operator: Calls, change: dict[str, Any]
):
    (item_id,) = users[0].submit()
    operator.complete(claim_item(operator), {**RESULT, **change})
    job = operator.job(item_id)
    assert (job.state, job.error.code) == (job_pb2.JOB_STATE_FAILED, "RESULT_REJECTED")
    assert users[0].status(item_id) == "failed"
    assert users[0].item(item_id).error_message.startswith("Step 'email_composer' failed: ")
    assert service.execute("SELECT 1 FROM emails WHERE job_id = %s", item_id) == []


def test_a_failed_item_shows_its_error_and_is_never_run_again(users: tuple[User, User], operator: Calls):
    (item_id, following) = users[0].submit(2)
    operator.fail(claim_item(operator), "PROVIDER_ERROR", message="Step 'web_scraper' failed: " + "x" * 2000)
    item = users[0].item(item_id)
    assert (users[0].status(item_id), len(item.error_message)) == ("failed", 1000)
    assert item.error_message.startswith("Step 'web_scraper' failed: ")
    assert claim_item(operator).job_id == following
    with refused("ILLEGAL_TRANSITION") as seen:
        users[0].cancel(item_id)
    assert seen[0].metadata == {"state": "failed"}


@pytest.fixture(scope="module")
def hasty(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueServiceUnderTest]:
    with databases.fresh() as url, queue_service(url, tmp_path_factory.mktemp("hasty"), HASTY) as running:
        yield running


def test_a_lost_worker_fails_the_item_with_the_agreed_text(hasty: QueueServiceUnderTest):
    ada = User(hasty)
    with Calls(hasty.address, hasty.operator_token) as operator:
        (item_id,) = ada.submit()
        run = claim_item(operator)
        operator.report(run, "arxiv_helper")
        eventually_blocking(lambda: ada.status(item_id) == "failed")
        expected = "Processing timeout: worker lost in step 'arxiv_helper'. Please submit the item again."
        assert ada.item(item_id).error_message == expected
        with refused("STALE_LEASE"):
            operator.complete(run, RESULT)
    ada.close()


def test_what_runs_too_long_fails_with_the_agreed_text_and_the_next_follows(hasty: QueueServiceUnderTest):
    ada = User(hasty)
    with Calls(hasty.address, hasty.operator_token) as operator:
        first, second = ada.submit(2)
        run = claim_item(operator)
        operator.report(run, "email_composer")

        def has_failed() -> bool:
            operator.heartbeat(run)
            return ada.status(first) == "failed"

        eventually_blocking(has_failed)
        expected = "Processing timeout: exceeded 4 seconds in step 'email_composer'"
        assert ada.item(first).error_message == expected
        assert claim_item(operator).job_id == second
    ada.close()


def test_an_item_expires_and_its_email_stays(databases: Databases, tmp_path_factory: pytest.TempPathFactory):
    with (
        databases.fresh() as url,
        queue_service(url, tmp_path_factory.mktemp("expiry"), SHORT_LIVED) as service,
        Calls(service.address, service.operator_token) as operator,
    ):
        ada = User(service)
        done, pending = ada.submit(2)
        run = claim_item(operator)
        operator.complete(run, RESULT)
        email_id = ada.item(done).email_id
        eventually_blocking(lambda: ada.items() == [], what="the items are out of sight")
        for item_id in (done, pending):
            with refused("JOB_NOT_FOUND"):
                ada.cancel(item_id)
        eventually_blocking(lambda: operator.events(pending) == ["expired"])
        assert operator.claim(QUEUE, kinds=[KIND]) == []
        assert ada.emails.GetEmail(pb.GetEmailRequest(id=email_id)).email.id == email_id
        ada.close()


# ---- e-mails and users --------------------------------------------------------------------------------------------------


def test_emails_are_paged_newest_first_and_hidden_when_discarded(users: tuple[User, User], operator: Calls):
    ada, bob = users
    ids = ada.submit(3)
    for _ in ids:
        operator.complete(claim_item(operator), RESULT)
    emails = [ada.item(item_id).email_id for item_id in ids]

    def listed(**request: Any) -> list[str]:
        return [each.id for each in ada.emails.ListEmails(pb.ListEmailsRequest(**request)).emails]

    assert listed() == emails[::-1]
    assert (listed(limit=1), listed(limit=1, offset=1)) == ([emails[2]], [emails[1]])
    hidden = ada.emails.UpdateEmail(pb.UpdateEmailRequest(id=emails[1], displayed=False)).email
    assert (hidden.id, hidden.displayed) == (emails[1], False)
    assert (listed(), listed(include_discarded=True)) == ([emails[2], emails[0]], emails[::-1])
    with refused("EMAIL_NOT_FOUND"):
        bob.emails.UpdateEmail(pb.UpdateEmailRequest(id=emails[0], displayed=False))
    for bad in ({"limit": 101}, {"limit": -1}, {"offset": -1}):
        with refused("INVALID_FIELD") as seen:
            listed(**bad)
        assert seen[0].fields == tuple(bad)


def test_deleting_a_user_deletes_items_and_emails_and_the_queue_goes_on(
    service: QueueServiceUnderTest, users: tuple[User, User], operator: Calls
):
    ada, bob = users
    gone = ada.submit(3)
    operator.complete(claim_item(operator), RESULT)
    (kept,) = bob.submit()
    running = claim_item(operator)
    assert running.job_id == gone[1]
    service.execute("DELETE FROM users WHERE id = %s", ada.sub)
    assert service.execute("SELECT 1 FROM emails WHERE user_id = %s", ada.sub) == []
    assert service.execute("SELECT 1 FROM queue_items WHERE user_id = %s", ada.sub) == []
    with refused("STALE_LEASE"):
        operator.complete(running, RESULT)
    assert claim_item(operator).job_id == kept
    assert ada.items() == []


def test_the_first_call_of_a_user_stores_it_once_with_its_credits(service: QueueServiceUnderTest):
    caller = account_pb.Caller(sub=f"new-{uuid.uuid4()}", email="a@example.org", businesses={"shop": "Admin"})
    with Calls(service.address, service.gateway_token) as gateway:
        request = account_pb.EnsureCallerRequest(caller=caller)
        first, second = (gateway.accounts.EnsureCaller(request) for _ in range(2))
        assert (first.created, second.created) == (True, False)
        assert (first.user.credits, first.user.email, first.user.generation_count) == (5, "a@example.org", 0)
        assert service.execute("SELECT id FROM businesses WHERE id = 'shop'") == [("shop",)]
        with refused("INVALID_FIELD"):
            gateway.accounts.EnsureCaller(account_pb.EnsureCallerRequest(caller=account_pb.Caller(session="anonymous")))


def test_the_view_queue_items_says_what_the_list_says(
    service: QueueServiceUnderTest, users: tuple[User, User], operator: Calls
):
    ada, _ = users
    completed, failed, processing, cancelled, pending = ada.submit(5)
    operator.complete(claim_item(operator), RESULT)
    operator.fail(claim_item(operator), message="it broke")
    operator.report(claim_item(operator), "web_scraper")
    ada.cancel(cancelled)

    def view() -> dict[str, tuple[Any, ...]]:
        rows = service.execute(
            """SELECT id::text, status, email_id::text, error_message, current_step, started_at IS NOT NULL,
                      completed_at IS NOT NULL, recipient_interest, email_template
               FROM queue_items WHERE user_id = %s""",
            ada.sub,
        )
        return {row[0]: row[1:7] for row in rows if row[7:] == ("engines", TEMPLATE)}

    email_id = ada.item(completed).email_id
    expected = {
        completed: ("completed", email_id, None, None, True, True),
        failed: ("failed", None, "it broke", None, True, True),
        processing: ("processing", None, None, "web_scraper", True, False),
        pending: ("pending", None, None, None, False, False),
    }
    eventually_blocking(lambda: view() == expected, within=5, what=f"the view is the list, not {view()}")
