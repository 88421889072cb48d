"""What the e-mail surface refuses, against the real stack: bad batches, strangers, the general errors."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from support.gateway import bearer, user_token
from support.rest_stack import RestStack

EXAMPLE = {
    "items": [
        {"recipient_name": "Dr. Jane Smith", "recipient_interest": "machine learning"},
        {"recipient_name": "Prof. John Doe", "recipient_interest": "computer vision"},
    ],
    "email_template": "Hey {{name}}, I loved your work on {{research}}!",
}


def answer(got: httpx.Response) -> tuple[int, Any]:
    return got.status_code, got.json()


CHECKS: list[tuple[Any, int, Any]] = [
    (b"{", 422, ["body"]),
    (b"[]", 422, ["body"]),
    ({}, 422, ["body", "items"]),
    ({"items": {}}, 422, ["body", "items"]),
    ({"items": [], "email_template": 1}, 400, "Batch must contain at least 1 item"),
    ({"items": [{}] * 101}, 400, "Maximum 100 items per batch"),
    (
        {"items": [{"recipient_interest": "ab"}], "email_template": "{{name}} hello"},
        422,
        ["body", "items", 0, "recipient_name"],
    ),
    ({**EXAMPLE, "email_template": "{{name}}"}, 422, ["body", "email_template"]),
    (
        {**EXAMPLE, "items": [{"recipient_name": "  ", "recipient_interest": "ab"}]},
        400,
        "items[0].recipient_name must not be blank",
    ),
    ({**EXAMPLE, "email_template": " " * 20}, 400, "email_template must not be blank"),
    ({**EXAMPLE, "email_template": "no placeholder"}, 400, "email_template must contain at least one {{placeholder}}"),
    ({**EXAMPLE, "email_template": "{{n}} \0 hello"}, 422, ["body", "email_template"]),
    ({**EXAMPLE, "email_template": "{{n}} \ud800 hello"}, 422, ["body", "email_template"]),
]


@pytest.mark.parametrize(("body", "status", "detail"), CHECKS)
def test_a_batch_that_is_refused_stores_nothing(stack: RestStack, body: Any, status: int, detail: Any) -> None:
    user = stack.user()
    content = {"content": body} if isinstance(body, bytes) else {"content": ascii_json(body)}
    got, found = answer(user.call("POST", "/api/queue/batch", **content))
    assert got == status
    assert (found["detail"][0]["loc"] if status == 422 else found["detail"]) == detail
    assert user.items() == []


def ascii_json(body: Any) -> bytes:
    """JSON with every other character escaped, so that it may hold a lone surrogate."""
    return json.dumps(body).encode("ascii")


def test_one_bad_item_rejects_the_whole_batch(stack: RestStack) -> None:
    user = stack.user()
    items = [*EXAMPLE["items"], {"recipient_name": "x", "recipient_interest": "ab"}]
    got = user.call("POST", "/api/queue/batch", json={**EXAMPLE, "items": items})
    error = {
        "loc": ["body", "items", 2, "recipient_name"],
        "msg": "String should have at least 2 characters",
        "type": "string_too_short",
    }
    assert answer(got) == (422, {"detail": [error]})
    assert user.items() == []


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({}, "Not authenticated"),
        ({"authorization": "Basic dTpw"}, "Not authenticated"),
        ({"authorization": "Bearer rubbish"}, "Invalid token: malformed"),
        ({"authorization": f"Bearer {user_token(exp=1)}"}, "Invalid token: expired"),
        ({"authorization": f"Bearer {user_token()}x"}, None),
    ],
)
def test_every_call_needs_a_valid_token_before_anything_else(
    stack: RestStack, headers: dict[str, str], detail: str | None
) -> None:
    for method, path in (
        ("POST", "/api/queue/batch"),
        ("GET", "/api/queue/"),
        ("DELETE", "/api/queue/42"),
        ("GET", "/api/email/"),
        ("GET", "/api/email/42"),
        ("PATCH", "/api/email/42"),
    ):
        got = stack.client.request(method, path, headers=headers, content=b"rubbish")
        assert (got.status_code, got.headers["www-authenticate"]) == (401, "Bearer")
        found = got.json()["detail"]
        assert found == detail if detail else found.startswith("Invalid token: ")


def test_the_first_valid_token_of_a_user_creates_the_user_with_free_credits(stack: RestStack) -> None:
    user = stack.user()
    assert stack.execute("SELECT count(*) FROM users WHERE id = %s", user.sub) == [(0,)]
    assert user.items() == []
    credits = "SELECT source_type, status, count(*) FROM user_credits WHERE user_id = %s GROUP BY 1, 2"
    assert stack.execute(credits, user.sub) == [("admin_grant", "active", 5)]


def test_the_cookie_is_as_good_as_the_header_but_not_from_another_site(stack: RestStack) -> None:
    user = stack.user()
    [id] = user.submit("Dr. Jane Smith")
    cookie = {"cookie": f"session={user_token(user.sub)}"}
    assert stack.client.get("/api/queue/", headers=cookie).json()[0]["id"] == id
    got = stack.client.delete(f"/api/queue/{id}", headers={**cookie, "origin": "https://evil.example"})
    assert answer(got) == (403, {"detail": "Forbidden"})
    own = str(stack.client.base_url).rstrip("/")
    assert stack.client.delete(f"/api/queue/{id}", headers={**cookie, "origin": own}).status_code == 200


def test_the_general_errors_have_the_surfaces_envelope(stack: RestStack) -> None:
    user = stack.user()
    assert answer(user.call("GET", "/api/email/a/b")) == (404, {"detail": "Not found"})
    wrong = user.call("PUT", "/api/queue/batch")
    assert (answer(wrong), wrong.headers["allow"]) == ((405, {"detail": "Method not allowed"}), "DELETE, POST")
    large = user.call("POST", "/api/queue/batch", content=b" " * (1024 * 1024 + 1))
    assert answer(large) == (413, {"detail": "Request body too large"})
    assert answer(stack.client.get("/nope", headers=bearer())) == (404, {"error": "Not found"})
    assert answer(stack.client.get("/health")) == (200, {"status": "ok"})
