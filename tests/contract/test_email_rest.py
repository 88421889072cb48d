"""The e-mail surface against the real stack: every literal of its specification, every state of an item."""

from __future__ import annotations

import re
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from support.rest_stack import EMAIL_RESULT, RestStack, User

ITEM_KEYS = [
    "id",
    "recipient_name",
    "status",
    "position",
    "email_id",
    "error_message",
    "current_step",
    "created_at",
]
EMAIL_KEYS = [
    "id",
    "user_id",
    "recipient_name",
    "recipient_interest",
    "email_message",
    "template_type",
    "metadata",
    "is_confident",
    "displayed",
    "created_at",
]
EXAMPLE = {
    "items": [
        {"recipient_name": "Dr. Jane Smith", "recipient_interest": "machine learning"},
        {"recipient_name": "Prof. John Doe", "recipient_interest": "computer vision"},
    ],
    "email_template": "Hey {{name}}, I loved your work on {{research}}!",
}
NO_EMAIL = {"detail": "Email not found or you don't have permission to access it"}


def answer(got: httpx.Response) -> tuple[int, Any]:
    return got.status_code, got.json()


def test_a_batch_is_answered_in_input_order_and_stored_as_sent(stack: RestStack) -> None:
    user = stack.user()
    got = user.call("POST", "/api/queue/batch", json=EXAMPLE)
    assert got.status_code == 201
    body = got.json()
    assert list(body) == ["queue_item_ids", "message"]
    assert body["message"] == "Successfully queued 2 items"
    items = user.items()
    assert [item["id"] for item in items] == body["queue_item_ids"]
    assert [item["recipient_name"] for item in items] == ["Dr. Jane Smith", "Prof. John Doe"]
    assert all(str(uuid.UUID(id)) == id for id in body["queue_item_ids"])


def test_a_hundred_items_keep_their_order_and_nothing_is_deduplicated(stack: RestStack) -> None:
    user = stack.user()
    ids = user.submit(*["The Same"] * 100)
    assert len(set(ids)) == 100
    items = user.items()
    assert [item["id"] for item in items] == ids
    assert [item["position"] for item in items] == list(range(1, 101))


def test_values_are_stored_as_sent_whatever_they_hold(stack: RestStack) -> None:
    user = stack.user()
    names = ["  padded  ", "😀😀", "<b>&\"'\\", "Robert'); DROP TABLE jobs;--", "{{name}}", "\u202eevil", "a\nb\tc"]
    user.submit(*names)
    assert [item["recipient_name"] for item in user.items()] == names


def test_a_pending_item_has_all_eight_keys_in_order(stack: RestStack) -> None:
    user = stack.user()
    [id] = user.submit("Dr. Jane Smith")
    [item] = user.items()
    assert list(item) == ITEM_KEYS
    created_at = item.pop("created_at")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", created_at)
    assert item == {
        "id": id,
        "recipient_name": "Dr. Jane Smith",
        "status": "pending",
        "position": 1,
        "email_id": None,
        "error_message": None,
        "current_step": None,
    }


def test_the_list_is_empty_for_somebody_new_and_the_slash_is_optional(stack: RestStack) -> None:
    user = stack.user()
    for path in ("/api/queue/", "/api/queue"):
        got = user.call("GET", path)
        assert (got.status_code, got.text) == (200, "[]")


def test_positions_are_global_and_lists_are_not(stack: RestStack) -> None:
    first, second = stack.user(), stack.user()
    first.submit("A1", "A2", "A3")
    second.submit("B1")
    first.submit("A4")
    assert [(item["recipient_name"], item["position"]) for item in second.items()] == [("B1", 4)]
    assert [item["position"] for item in first.items()] == [1, 2, 3, 5]


def test_positions_fall_when_an_item_ahead_is_cancelled_or_starts(stack: RestStack) -> None:
    first, second = stack.user(), stack.user()
    ahead = first.submit("A1", "A2")
    second.submit("B1")
    assert first.call("DELETE", f"/api/queue/{ahead[1]}").status_code == 200
    assert second.items()[0]["position"] == 2
    stack.worker.claim()
    assert second.items()[0]["position"] == 1
    assert first.items()[0]["position"] is None


def test_an_item_shows_its_step_exactly_while_it_is_processed(stack: RestStack) -> None:
    user = stack.user()
    user.submit("Dr. Jane Smith")
    job = stack.worker.claim()
    [item] = user.items()
    assert (item["status"], item["position"], item["current_step"]) == ("processing", None, "template_parser")
    for step in ("web_scraper", "arxiv_helper", "email_composer"):
        stack.worker.reach(job, step)
        assert user.items()[0]["current_step"] == step
    stack.worker.complete(job)
    [item] = user.items()
    assert (item["status"], item["position"], item["current_step"]) == ("completed", None, None)
    assert item["error_message"] is None
    assert uuid.UUID(item["email_id"])


def test_a_failed_item_shows_its_error_and_stays_failed(stack: RestStack) -> None:
    user = stack.user()
    user.submit("Dr. Bob Wilson")
    message = "Step 'web_scraper' failed: " + "é" * 2000
    stack.worker.fail(stack.worker.claim(), message)
    [item] = user.items()
    assert (item["status"], item["position"], item["email_id"], item["current_step"]) == ("failed", None, None, None)
    assert item["error_message"].startswith("Step 'web_scraper' failed: éé")
    assert len(item["error_message"]) <= 1000


def test_only_one_item_is_processed_and_the_next_is_the_one_at_position_1(stack: RestStack) -> None:
    first, second = stack.user(), stack.user()
    first.submit("A1")
    second.submit("B1", "B2")
    stack.worker.fail(stack.worker.claim(), "no")
    stack.worker.claim()
    assert [item["status"] for item in second.items()] == ["processing", "pending"]
    assert second.items()[1]["position"] == 1


def test_a_pending_item_is_cancelled_and_gone_at_once(stack: RestStack) -> None:
    user = stack.user()
    kept, gone = user.submit("Kept", "Gone")
    assert answer(user.call("DELETE", f"/api/queue/{gone}")) == (200, {"message": "Queue item cancelled"})
    assert [item["id"] for item in user.items()] == [kept]
    assert answer(user.call("DELETE", f"/api/queue/{gone}")) == (404, {"detail": "Queue item not found"})
    assert stack.execute("SELECT count(*) FROM queue_items WHERE id = %s", gone) == [(0,)]


def test_what_is_not_pending_cannot_be_cancelled_and_is_not_touched(stack: RestStack) -> None:
    user = stack.user()
    failed, completed, processing = user.submit("F0", "C0", "P0")
    stack.worker.fail(stack.worker.claim(), "no")
    stack.worker.complete(stack.worker.claim())
    stack.worker.claim()
    before = user.items()
    for id, status in ((failed, "failed"), (completed, "completed"), (processing, "processing")):
        got = user.call("DELETE", f"/api/queue/{id}/")
        assert answer(got) == (400, {"detail": f"Cannot cancel item with status '{status}'"})
    assert user.items() == before


@pytest.mark.parametrize("id", ["42", "batch", "not-a-uuid", "550e8400e29b41d4a716446655440000", "%F0%9F%98%80"])
def test_an_id_that_is_no_uuid_is_400(stack: RestStack, id: str) -> None:
    user = stack.user()
    shown = "😀" if id.startswith("%") else id
    got = user.call("DELETE", f"/api/queue/{id}")
    assert answer(got) == (400, {"detail": f"Invalid queue item ID format: {shown}"})
    for method in ("GET", "PATCH"):
        got = user.call(method, f"/api/email/{id}", content=b'{"displayed": true}')
        assert answer(got) == (400, {"detail": f"Invalid email ID format: {shown}"})


def test_an_unknown_id_is_404(stack: RestStack) -> None:
    user = stack.user()
    id = uuid.uuid4()
    assert answer(user.call("DELETE", f"/api/queue/{id}")) == (404, {"detail": "Queue item not found"})
    assert answer(user.call("GET", f"/api/email/{id}")) == (404, NO_EMAIL)
    assert answer(user.call("PATCH", f"/api/email/{id}", json={"displayed": False})) == (404, NO_EMAIL)


def test_anothers_items_and_emails_look_like_none_whatever_their_state(stack: RestStack) -> None:
    owner, other = stack.user(), stack.user()
    ids = owner.submit("Pending or not", "Second", "Third")
    stack.worker.complete(stack.worker.claim())
    stack.worker.claim()
    before = owner.items()
    for id in ids:
        assert answer(other.call("DELETE", f"/api/queue/{id}")) == (404, {"detail": "Queue item not found"})
    email_id = before[0]["email_id"]
    assert answer(other.call("GET", f"/api/email/{email_id}")) == (404, NO_EMAIL)
    assert answer(other.call("PATCH", f"/api/email/{email_id}", json={"displayed": False})) == (404, NO_EMAIL)
    assert other.items() == other.call("GET", "/api/email/").json() == []
    assert owner.items() == before


def test_a_delete_that_races_with_the_claim_wins_or_loses_but_never_both(stack: RestStack) -> None:
    for _ in range(10):
        user = stack.user()
        [id] = user.submit("Contested")
        barrier = threading.Barrier(2)
        with ThreadPoolExecutor(1) as pool:
            deleting = pool.submit(delete_at, barrier, user, id)
            barrier.wait()
            claimed = stack.worker.try_claim()
        if claimed is None:
            assert answer(deleting.result()) == (200, {"message": "Queue item cancelled"})
            assert user.items() == []
        else:
            refused = {"detail": "Cannot cancel item with status 'processing'"}
            assert answer(deleting.result()) == (400, refused)
            assert user.item(id)["status"] == "processing"
            stack.worker.fail(claimed, "no")


def delete_at(barrier: threading.Barrier, user: User, id: str) -> httpx.Response:
    barrier.wait()
    return user.call("DELETE", f"/api/queue/{id}")


def test_a_finished_email_reads_as_the_example(stack: RestStack) -> None:
    user = stack.user()
    user.submit("Dr. Alice Johnson")
    stack.worker.complete(stack.worker.claim())
    email_id = user.items()[0]["email_id"]
    got = user.call("GET", f"/api/email/{email_id.upper()}")
    assert got.status_code == 200
    email = got.json()
    assert list(email) == EMAIL_KEYS
    assert list(email["metadata"]) == list(EMAIL_RESULT["metadata"])
    assert list(email["metadata"]["step_timings"]) == list(EMAIL_RESULT["metadata"]["step_timings"])
    created_at = email.pop("created_at")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", created_at)
    assert email == {"id": email_id, "user_id": user.sub, "displayed": True, **EMAIL_RESULT}


def test_emails_are_listed_newest_first_page_by_page_and_the_hidden_ones_on_demand(stack: RestStack) -> None:
    user = stack.user()
    for name in ("First", "Second", "Third"):
        user.submit(name)
        stack.worker.complete(stack.worker.claim(), recipient_name=name)
    found = user.call("GET", "/api/email/").json()
    assert [email["recipient_name"] for email in found] == ["Third", "Second", "First"]
    assert [email["recipient_name"] for email in user.call("GET", "/api/email?limit=1&offset=1").json()] == ["Second"]
    assert user.call("GET", "/api/email/?offset=3").json() == []
    hidden = user.call("PATCH", f"/api/email/{found[1]['id']}", json={"displayed": False})
    assert answer(hidden) == (200, {**found[1], "displayed": False})
    assert [email["recipient_name"] for email in user.call("GET", "/api/email/").json()] == ["Third", "First"]
    everything = user.call("GET", "/api/email/?include_discarded=true").json()
    assert [email["displayed"] for email in everything] == [True, False, True]
    assert user.call("GET", f"/api/email/{found[1]['id']}").json()["displayed"] is False
    shown = user.call("PATCH", f"/api/email/{found[1]['id']}/", json={"displayed": True})
    assert answer(shown) == (200, found[1])


@pytest.mark.parametrize(
    ("query", "name"),
    [("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("offset=-1", "offset")],
)
def test_a_page_out_of_bounds_is_422(stack: RestStack, query: str, name: str) -> None:
    status, body = answer(stack.user().call("GET", f"/api/email/?{query}"))
    assert (status, [error["loc"] for error in body["detail"]]) == (422, [["query", name]])


def test_an_item_whose_email_was_deleted_stays_completed_without_it(stack: RestStack) -> None:
    user = stack.user()
    user.submit("Dr. Alice Johnson")
    stack.worker.complete(stack.worker.claim())
    email_id = user.items()[0]["email_id"]
    stack.execute("DELETE FROM emails WHERE id = %s", email_id)
    [item] = user.items()
    assert (item["status"], item["email_id"]) == ("completed", None)
    assert answer(user.call("GET", f"/api/email/{email_id}")) == (404, NO_EMAIL)


def test_a_thousand_items_are_listed_in_under_a_second(stack: RestStack) -> None:
    user = stack.user()
    ids = [id for _ in range(10) for id in user.submit(*["Somebody"] * 100)]
    got = user.call("GET", "/api/queue/")
    assert got.elapsed.total_seconds() < 1.0
    assert [(item["id"], item["position"]) for item in got.json()] == list(zip(ids, range(1, 1001), strict=True))
