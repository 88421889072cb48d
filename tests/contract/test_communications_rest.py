"""The communication surface against the real stack: every example of its specification, every status of a job."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.communications_rest import envelope
from support.queue_calls import refused
from support.rest_stack import RestStack
from support.shop import Shop, next_link

JOB_KEYS = [
    "id",
    "communicationId",
    "status",
    "priority",
    "scheduledAt",
    "startedAt",
    "completedAt",
    "attempts",
    "maxAttempts",
    "lastError",
    "payload",
    "createdAt",
    "updatedAt",
]
EXAMPLE = {
    "channel": "email",
    "recipientContact": "user@example.com",
    "subject": "Hello",
    "body": "…",
    "priority": "high",
    "scheduledAt": "2025-10-26T11:00:00Z",
    "communicationId": "comm-uuid-1",
}
PAYLOAD = '{"channel":"email","recipientContact":"user@example.com","subject":"Hello","body":"…"}'
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.fixture
def shop(stack: RestStack) -> Iterator[Shop]:
    opened = Shop.of(stack)
    yield opened
    opened.close()


def shown(job: dict[str, Any], *left_out: str) -> str:
    """A job's bytes with its own id and times in place of the example's; its keys are checked on the way."""
    assert list(job) == [key for key in JOB_KEYS if key not in left_out]
    times = [key for key in job if key.endswith("At")]
    assert all(TIME.fullmatch(job[key]) for key in times)
    order = [job[key] for key in ("createdAt", "startedAt", "completedAt", "updatedAt") if key in job]
    assert sorted(order, key=datetime.fromisoformat) == order
    return json.dumps(job, separators=(",", ":"), ensure_ascii=False)


NO_RUN = ("startedAt", "completedAt", "lastError")


def test_a_new_message_reads_as_the_example(shop: Shop) -> None:
    got = shop.call("POST", "/communications", json=EXAMPLE)
    job = got.json()["job"]
    assert (got.status_code, got.text) == (201, f'{{"communicationId":"comm-uuid-1","job":{shown(job, *NO_RUN)}}}')
    assert str(uuid.UUID(job["id"])) == job["id"]
    assert job == {
        "id": job["id"],
        "communicationId": "comm-uuid-1",
        "status": "pending",
        "priority": "high",
        "scheduledAt": "2025-10-26T11:00:00Z",
        "attempts": 0,
        "maxAttempts": 3,
        "payload": PAYLOAD,
        "createdAt": job["createdAt"],
        "updatedAt": job["createdAt"],
    }
    assert shop.queue("GET", f"/{job['id']}").text == shown(job, *NO_RUN)


def test_the_defaults_are_normal_now_three_and_a_new_communication(shop: Shop) -> None:
    job = shop.submit(channel="sms", recipientContact="+49170", subject=None)
    assert (job["priority"], job["maxAttempts"], job["scheduledAt"]) == ("normal", 3, job["createdAt"])
    assert str(uuid.UUID(job["communicationId"])) == job["communicationId"]
    assert job["payload"] == '{"channel":"sms","recipientContact":"+49170","body":"…"}'


def test_a_payload_has_what_was_given_and_the_template_is_filled_for_the_provider_only(shop: Shop) -> None:
    content = (
        b'{"templateVariables":{"message":1.50,"subject":"Caf\\u00e9"},"templateId":"notice","channel":"email",'
        b'"recipientContact":"a@b","priority":null}'
    )
    job = shop.call("POST", "/communications", content=content).json()["job"]
    assert job["payload"] == (
        '{"channel":"email","recipientContact":"a@b","templateId":"notice",'
        '"templateVariables":{"message":1.50,"subject":"Café"}}'
    )
    run = shop.claim()
    filled = json.loads(run.payload_json)
    assert (filled["subject"], filled["body"]) == ("Café", "1.50")
    shop.complete(run)
    [entry] = shop.call("GET", "/outbox").json()
    assert (entry["subject"], entry["body"]) == ("Café", "1.50")


def test_a_further_job_of_a_communication_is_listed_beside_the_first(shop: Shop) -> None:
    first, second = shop.submit(communicationId="order/17"), shop.submit(communicationId="order/17")
    assert shop.read("/by-communication/order%2F17") == [first, second]
    assert shop.read("/by-communication/order") == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"channel": "fax"}, "channel must be one of email, sms, whatsapp, messenger"),
        ({"recipientContact": "user"}, "recipientContact must have text on both sides of one @"),
        ({"templateId": "unknown", "body": None}, "templateId must be the id of a template of this business"),
        ({"templateId": "notice", "body": None}, "templateVariables must have a value for subject"),
        ({"maxAttempts": 11}, "maxAttempts must be an integer from 1 to 10"),
    ],
)
def test_a_message_that_is_refused_stores_nothing(shop: Shop, changes: dict[str, Any], text: str) -> None:
    got = shop.call("POST", "/communications", json={**EXAMPLE, **changes})
    assert (got.status_code, got.json()) == (400, envelope(400, text))
    assert shop.read("/stats")["total"] == 0
    assert shop.read("/by-communication/comm-uuid-1") == []


def test_a_completed_job_reads_as_the_example_and_its_outbox_entry_too(shop: Shop) -> None:
    id = shop.completed(**{**EXAMPLE, "scheduledAt": "2025-10-26T10:00:00Z"})
    job = shop.job(id)
    assert shop.queue("GET", f"/{id}").text == shown(job, "lastError")
    assert (job["status"], job["priority"], job["scheduledAt"]) == ("completed", "high", "2025-10-26T10:00:00Z")
    assert (job["attempts"], job["maxAttempts"], job["payload"]) == (1, 3, PAYLOAD)
    got = shop.call("GET", "/outbox")
    [entry] = got.json()
    assert TIME.fullmatch(entry["sentAt"])
    assert got.text == (
        f'[{{"id":"{entry["id"]}","jobId":"{id}","communicationId":"comm-uuid-1","channel":"email",'
        f'"recipientContact":"user@example.com","subject":"Hello","body":"…","attempt":1,"sentAt":"{entry["sentAt"]}"}}]'
    )
    assert shop.call("GET", "/outbox?communicationId=comm-uuid-1&limit=1").json() == [entry]
    assert shop.call("GET", "/outbox?communicationId=other").json() == []
    assert "link" not in got.headers
    later = shop.completed(**EXAMPLE)
    link = next_link(shop.call("GET", "/outbox?limit=1"))
    assert link
    assert [each["jobId"] for each in shop.call("GET", link.removeprefix(shop.path)).json()] == [later]
    bad = shop.call("GET", "/outbox?cursor=x")
    assert bad.json() == envelope(400, "cursor must be one that a list returned")


def test_a_processing_job_has_begun_and_not_ended(shop: Shop) -> None:
    job = shop.job(shop.processing())
    shown(job, "completedAt", "lastError")
    assert (job["status"], job["attempts"]) == ("processing", 1)


def test_a_failed_job_reads_as_the_example(shop: Shop) -> None:
    id = shop.failed("SendGrid API error: Invalid email address", communicationId="comm-uuid-3")
    got = shop.queue("GET", "/failed")
    [job] = got.json()
    assert got.text == f"[{shown(job, 'completedAt')}]"
    assert (job["id"], job["status"], job["attempts"], job["maxAttempts"]) == (id, "failed", 1, 1)
    assert job["lastError"] == "SendGrid API error: Invalid email address"


def test_a_failed_attempt_waits_a_minute_and_is_kept_as_history(shop: Shop) -> None:
    id = shop.submit(communicationId="comm-uuid-1")["id"]
    shop.fail(shop.claim(), "Connection timeout")
    job = shop.job(id)
    shown(job, "completedAt")
    assert (job["status"], job["attempts"], job["lastError"]) == ("pending", 1, "Connection timeout")
    wait = datetime.fromisoformat(job["scheduledAt"]) - datetime.now(UTC)
    assert timedelta(seconds=50) < wait < timedelta(seconds=61)
    [entry, current] = shop.read("/by-communication/comm-uuid-1")
    assert current == job
    shown(entry, "completedAt")
    assert (entry["status"], entry["attempts"], entry["lastError"]) == ("failed", 1, "Connection timeout")
    assert shop.job(entry["id"]) == entry
    assert entry["id"] != id
    assert [each["id"] for each in shop.read("/pending")] == [id]
    assert shop.read("/failed") == []
    assert shop.read("/stats")["total"] == 1
    for method, path in (("POST", "/retry"), ("POST", "/cancel"), ("DELETE", "")):
        got = shop.queue(method, f"/{entry['id']}{path}")
        assert (got.status_code, got.json()) == (404, envelope(404, f"Job {entry['id']} not found"))


def test_a_retried_job_reads_as_the_example_and_its_failure_becomes_history(shop: Shop) -> None:
    id = shop.failed(communicationId="comm-uuid-3")
    before = shop.job(id)
    got = shop.queue("POST", f"/{id}/retry")
    job = got.json()["job"]
    assert (got.status_code, got.text) == (
        200,
        f'{{"success":true,"message":"Job successfully queued for retry","job":{shown(job, *NO_RUN)}}}',
    )
    assert (job["status"], job["attempts"], job["createdAt"]) == ("pending", 0, before["createdAt"])
    assert job["scheduledAt"] > before["updatedAt"]
    [entry, current] = shop.read("/by-communication/comm-uuid-3")
    assert current == job
    assert (entry["status"], entry["attempts"], entry["scheduledAt"]) == ("failed", 1, before["scheduledAt"])
    shop.complete(shop.claim())
    assert shop.job(id)["attempts"] == 1


def test_a_cancelled_job_reads_as_the_example_and_may_be_retried(shop: Shop) -> None:
    id = shop.submit(scheduledAt="2999-10-26T12:00:00Z")["id"]
    got = shop.queue("POST", f"/{id}/cancel")
    job = got.json()["job"]
    assert got.text == f'{{"success":true,"message":"Job cancelled successfully","job":{shown(job, *NO_RUN)}}}'
    assert (got.status_code, job["status"], job["scheduledAt"]) == (200, "cancelled", "2999-10-26T12:00:00Z")
    assert shop.queue("POST", f"/{id}/retry/").json()["job"]["status"] == "pending"


def test_cancelling_a_processing_job_voids_what_the_worker_says_later(shop: Shop) -> None:
    id = shop.submit()["id"]
    run = shop.claim()
    assert shop.queue("POST", f"/{id}/cancel").json()["job"]["status"] == "cancelled"
    with refused("CANCELLED"):
        shop.complete(run)
    assert shop.job(id)["status"] == "cancelled"
    assert shop.call("GET", "/outbox").json() == []


def test_an_act_that_the_status_does_not_allow_changes_nothing(shop: Shop) -> None:
    ids = {
        "completed": shop.completed(),
        "failed": shop.failed(),
        "cancelled": shop.cancelled(),
        "processing": shop.processing(),
        "pending": shop.submit(scheduledAt="2999-10-26T12:00:00Z")["id"],
    }
    before = {status: shop.job(id) for status, id in ids.items()}
    assert {status: job["status"] for status, job in before.items()} == {status: status for status in ids}
    refused = [("retry", "retried", s) for s in ("completed", "processing", "pending")]
    refused += [("cancel", "cancelled", s) for s in ("completed", "failed", "cancelled")]
    for act, word, status in refused:
        got = shop.queue("POST", f"/{ids[status]}/{act}")
        said = f"Job {ids[status]} cannot be {word} (current status: {status})"
        assert (got.status_code, got.text) == (200, f'{{"success":false,"message":"{said}"}}')
    assert {status: shop.job(id) for status, id in ids.items()} == before


def test_a_deleted_job_is_gone_in_any_status_with_its_history(shop: Shop) -> None:
    ids = [shop.completed(), shop.failed(communicationId="c"), shop.cancelled(), shop.processing(), shop.submit()["id"]]
    shop.queue("POST", f"/{ids[1]}/retry")
    assert len(shop.read("/by-communication/c")) == 2
    for id in ids:
        got = shop.queue("DELETE", f"/{id}")
        assert (got.status_code, got.content) == (204, b"")
        for method, path in (("DELETE", ""), ("GET", ""), ("POST", "/retry"), ("POST", "/cancel")):
            again = shop.queue(method, f"/{id}{path}")
            assert (again.status_code, again.json()) == (404, envelope(404, f"Job {id} not found"))
    assert shop.read("/stats")["total"] == 0
    assert shop.read("/by-communication/c") == []


def test_an_id_that_names_nothing_here_is_404_on_every_path(shop: Shop, stack: RestStack) -> None:
    other = Shop.of(stack)
    theirs = other.submit()["id"]
    mail = stack.user()
    [item] = mail.submit("Dr. Jane Smith")
    strange = {"42": "42", "%00": "\0", "x" * 300: "x" * 300, theirs: theirs, item: item, "%F0%9F%98%80": "😀"}
    for sent, named in strange.items():
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/retry"), ("POST", "/cancel")):
            got = shop.queue(method, f"/{sent}{path}")
            assert (got.status_code, got.json()) == (404, envelope(404, f"Job {named} not found"))
    assert shop.queue("GET", "/a%2Fb").json() == envelope(404, "Not found")
    assert mail.call("DELETE", f"/api/queue/{theirs}").status_code == 404
    assert other.job(theirs)["status"] == "pending"
    for nothing in ("x" * 300, "%00", "%F0%9F%98%80"):
        assert shop.read(f"/by-communication/{nothing}") == []
    other.close()


def test_stats_are_all_there_and_null_where_there_is_nothing(shop: Shop) -> None:
    assert shop.queue("GET", "/stats/").text == (
        '{"total":0,"pending":0,"processing":0,"completed":0,"failed":0,"cancelled":0,'
        '"oldestPending":null,"avgProcessingTimeSeconds":null}'
    )
    for make in (shop.completed, shop.failed, shop.cancelled, shop.processing):
        make()
    shop.submit(scheduledAt="2999-01-01T00:00:00Z")
    shop.submit(scheduledAt="2998-01-01T00:00:00+01:00")
    stats = shop.read("/stats")
    mean = stats.pop("avgProcessingTimeSeconds")
    assert 0 <= mean < 60
    assert round(mean, 3) == mean
    assert stats == {
        "total": 6,
        "pending": 2,
        "processing": 1,
        "completed": 1,
        "failed": 1,
        "cancelled": 1,
        "oldestPending": "2997-12-31T23:00:00Z",
    }


def test_health_is_the_verdict_with_reasons_and_the_numbers(shop: Shop) -> None:
    shop.completed()
    got = shop.queue("GET", "/health")
    stats = shop.queue("GET", "/stats").text
    assert got.text == f'{{"healthy":true,"alert":false,"reasons":[],"stats":{stats}}}'
    shop.failed()
    verdict = shop.read("/health")
    assert (verdict["healthy"], verdict["alert"]) == (True, True)
    assert len(verdict["reasons"]) == 1
    assert "50.0 %" in verdict["reasons"][0]


def test_process_now_attempts_what_is_due_of_this_business_and_nothing_else(shop: Shop, stack: RestStack) -> None:
    other = Shop.of(stack)
    theirs = other.submit()["id"]
    later = shop.submit(scheduledAt="2999-01-01T00:00:00Z")["id"]
    due = [shop.submit(priority=priority)["id"] for priority in ("low", "normal", "high") for _ in range(4)]
    got = shop.queue("POST", "/process-now/")
    assert (got.status_code, got.text) == (200, '{"success":true,"message":"Queue processing completed"}')
    assert {shop.job(id)["status"] for id in due} == {"completed"}
    assert sorted(entry["jobId"] for entry in shop.call("GET", "/outbox").json()) == sorted(due)
    assert shop.job(later)["status"] == "pending"
    assert other.job(theirs)["status"] == "pending"
    other.close()


def test_the_general_errors_have_the_surfaces_envelope(shop: Shop) -> None:
    wrong = shop.queue("DELETE", "/stats")
    assert (wrong.status_code, wrong.json(), wrong.headers["allow"]) == (
        405,
        envelope(405, "Method not allowed"),
        "GET",
    )
    large = shop.call("POST", "/communications", content=b" " * (1024 * 1024 + 1))
    assert (large.status_code, large.json()) == (413, envelope(413, "Request body too large"))
    unread = shop.call("POST", "/communications", content=b"{")
    assert (unread.status_code, unread.json()) == (400, envelope(400, "Request body is not valid JSON"))
    for path in ("/communication-queue", "/communication-queue/events/nope", "/nope"):
        got = shop.call("GET", path)
        assert (got.status_code, got.json()) == (404, envelope(404, "Not found"))
    stranger = shop.call("POST", "/communications", content=b"{", headers={})
    assert (stranger.status_code, stranger.text) == (401, '{"statusCode":401,"message":"Unauthorized"}')
