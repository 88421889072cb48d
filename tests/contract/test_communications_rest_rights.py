"""Who may do what: every role at every endpoint in every kind of business, against the real stack.

The matrix is written down here a second time, word by word from the specification.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from support.communications_rest import envelope
from support.gateway import bearer, user_token
from support.rest_stack import RestStack
from support.shop import Shop

YES_TO_ALL = {"view", "viewJobs", "retry", "cancel", "delete", "process", "create"}
MATRIX: dict[str, set[str]] = {
    "Admin": YES_TO_ALL,
    "Manager": {"view", "viewJobs", "retry", "cancel", "create"},
    "Support": {"view", "viewJobs", "retry", "create"},
    "User": set(),
}
#: What a token or a membership may say → the role that it counts as.
SPELLINGS = {
    "Admin": "Admin",
    "mAnAgEr": "Manager",
    "SUPPORT": "Support",
    "user": "User",
    "Intern": "User",
}
NO_JOB = "7c3e6b1a-5d0f-4a57-9a51-0b9f2c1d7e33"
MESSAGE = {"channel": "sms", "recipientContact": "1", "body": "Hi"}


@dataclass(frozen=True)
class Endpoint:
    """`path` begins below the business; `make` gives the job whose id takes the place of `{id}`."""

    method: str
    path: str
    right: str
    status: int = 200
    make: Callable[[Shop], str] | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def pending(shop: Shop) -> str:
    # Due so late that no other caller's process-now takes it.
    return str(shop.submit(scheduledAt="2999-01-01T00:00:00Z")["id"])


QUEUE = "/communication-queue"
ENDPOINTS = [
    Endpoint("POST", "/communications", "create", 201),
    Endpoint("GET", "/outbox", "viewJobs"),
    Endpoint("GET", f"{QUEUE}/stats", "view"),
    Endpoint("GET", f"{QUEUE}/health", "view"),
    Endpoint("GET", f"{QUEUE}/pending", "viewJobs"),
    Endpoint("GET", f"{QUEUE}/failed", "viewJobs"),
    Endpoint("GET", f"{QUEUE}/export.csv", "viewJobs"),
    Endpoint("GET", f"{QUEUE}/by-communication/c", "viewJobs"),
    Endpoint("GET", f"{QUEUE}/{{id}}", "viewJobs", make=pending),
    Endpoint("POST", f"{QUEUE}/{{id}}/retry", "retry", make=Shop.cancelled),
    Endpoint("POST", f"{QUEUE}/{{id}}/cancel", "cancel", make=pending),
    Endpoint("DELETE", f"{QUEUE}/{{id}}", "delete", 204, make=pending),
    Endpoint("POST", f"{QUEUE}/retry-failed", "retry"),
    Endpoint("POST", f"{QUEUE}/process-now", "process"),
]


@dataclass(frozen=True)
class Town:
    """Two businesses with a job each, and a client that is nobody yet."""

    stack: RestStack
    own: Shop
    other: Shop

    def ask(self, business: str, endpoint: Endpoint, headers: dict[str, str], id: str = "") -> httpx.Response:
        body = {"json": MESSAGE} if endpoint.method == "POST" else {}
        path = f"/api/businesses/{business}{endpoint.path.replace('{id}', id)}"
        return self.stack.client.request(endpoint.method, path, headers=headers, **body)

    def check(self, shop: Shop, endpoint: Endpoint, headers: dict[str, str], *, allowed: bool) -> None:
        """The endpoint answers as it should, and a refusal changes nothing."""
        id = endpoint.make(shop) if endpoint.make else ""
        before = shop.read("/stats"), shop.job(id) if id else None
        got = self.ask(shop.id, endpoint, headers, id)
        if allowed:
            assert got.status_code == endpoint.status, got.text
        else:
            assert (got.status_code, got.json()) == (403, envelope(403, "Forbidden resource"))
            assert (shop.read("/stats"), shop.job(id) if id else None) == before


@pytest.fixture(scope="module")
def town(one_stack: RestStack) -> Iterator[Town]:
    opened = Shop.of(one_stack), Shop.of(one_stack)
    for shop in opened:
        pending(shop)
    yield Town(one_stack, *opened)
    for shop in opened:
        shop.close()


def carriers(**claims: Any) -> list[dict[str, str]]:
    """The token of somebody new, as a header and as a cookie."""
    token = user_token(f"user-{uuid.uuid4()}", app_metadata=claims)
    return [{"authorization": f"Bearer {token}"}, {"cookie": f"session={token}"}]


def member(town: Town, role: str) -> str:
    """The id of a user with a row in `business_members`."""
    id = f"user-{uuid.uuid4()}"
    town.stack.execute(
        "INSERT INTO business_members (user_id, business_id, role) VALUES (%s, %s, %s)", id, town.own.id, role
    )
    return id


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_role_of_the_token_gives_the_rights_of_the_matrix_in_its_own_business_only(
    town: Town, spelling: str, endpoint: Endpoint
) -> None:
    header, cookie = carriers(businesses={town.own.id: spelling})
    town.check(town.own, endpoint, header, allowed=endpoint.right in MATRIX[SPELLINGS[spelling]])
    town.check(town.own, endpoint, cookie, allowed=endpoint.right in MATRIX[SPELLINGS[spelling]])
    town.check(town.other, endpoint, header, allowed=False)
    nowhere = town.ask("nowhere", endpoint, header, NO_JOB)
    assert (nowhere.status_code, nowhere.json()) == (404, envelope(404, "Business nowhere not found"))


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
@pytest.mark.parametrize("role", ["ADMIN", "Manager", "support", "User", "Intern"])
def test_a_row_of_the_members_gives_the_same_rights(town: Town, role: str, endpoint: Endpoint) -> None:
    headers = bearer(member(town, role))
    town.check(town.own, endpoint, headers, allowed=endpoint.right in MATRIX.get(role.capitalize(), set()))
    town.check(town.other, endpoint, headers, allowed=False)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_without_any_role_there_is_no_right_and_the_platforms_other_roles_are_none(
    town: Town, endpoint: Endpoint
) -> None:
    for role in ("user", "manager"):
        town.check(town.own, endpoint, carriers(role=role)[0], allowed=False)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_the_platforms_admin_is_admin_in_every_business_that_exists(town: Town, endpoint: Endpoint) -> None:
    header, cookie = carriers(role="admin", businesses={town.own.id: "User"})
    town.check(town.own, endpoint, header, allowed=True)
    town.check(town.other, endpoint, cookie, allowed=True)
    nowhere = town.ask("nowhere", endpoint, header, NO_JOB)
    assert (nowhere.status_code, nowhere.json()) == (404, envelope(404, "Business nowhere not found"))


@pytest.mark.parametrize("endpoint", [each for each in ENDPOINTS if each.make], ids=str)
def test_a_job_of_another_business_is_404_even_for_those_with_rights_in_both(town: Town, endpoint: Endpoint) -> None:
    assert endpoint.make
    theirs = endpoint.make(town.other)
    before = town.other.job(theirs)
    both = {town.own.id: "Admin", town.other.id: "Admin"}
    for claims in ({"businesses": both}, {"role": "admin"}):
        got = town.ask(town.own.id, endpoint, carriers(**claims)[0], theirs)
        assert (got.status_code, got.json()) == (404, envelope(404, f"Job {theirs} not found"))
    assert town.other.job(theirs) == before


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_without_a_token_the_answer_is_401_whatever_exists(town: Town, endpoint: Endpoint) -> None:
    for business in (town.own.id, "nowhere"):
        got = town.ask(business, endpoint, {}, NO_JOB)
        assert (got.status_code, got.text) == (401, '{"statusCode":401,"message":"Unauthorized"}')


@pytest.mark.parametrize("endpoint", [each for each in ENDPOINTS if each.method != "GET"], ids=str)
def test_a_cookie_that_another_site_sent_changes_nothing(town: Town, endpoint: Endpoint) -> None:
    _, cookie = carriers(businesses={town.own.id: "Admin"})
    for sign in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        town.check(town.own, endpoint, cookie | sign, allowed=False)


def test_the_token_goes_before_the_row_and_roles_hold_for_each_business(town: Town) -> None:
    id = member(town, "Admin")
    stats, delete = ENDPOINTS[2], next(each for each in ENDPOINTS if each.method == "DELETE")
    town.check(town.own, delete, bearer(id), allowed=True)
    roles = {"businesses": {town.own.id: "Support", town.other.id: "Admin"}}
    town.check(town.own, delete, bearer(id, app_metadata=roles), allowed=False)
    town.check(town.own, stats, bearer(id, app_metadata=roles), allowed=True)
    town.check(town.other, delete, bearer(id, app_metadata=roles), allowed=True)


def test_the_right_goes_before_the_input_and_the_input_before_the_job(town: Town) -> None:
    support = carriers(businesses={town.own.id: "Support"})[0]
    user = carriers(businesses={town.own.id: "User"})[0]
    for business, headers, status in (("nowhere", user, 404), (town.own.id, user, 403), (town.own.id, support, 400)):
        for path in ("/communication-queue/pending?limit=0", "/outbox?limit=x"):
            assert town.stack.client.get(f"/api/businesses/{business}{path}", headers=headers).status_code == status
        posted = town.stack.client.post(f"/api/businesses/{business}/communications", content=b"{", headers=headers)
        assert posted.status_code == status
    got = town.ask(town.own.id, next(each for each in ENDPOINTS if each.method == "DELETE"), support, NO_JOB)
    assert got.status_code == 403


def test_a_changed_right_holds_from_the_next_request(town: Town) -> None:
    cancel = next(each for each in ENDPOINTS if each.right == "cancel")
    support = carriers(businesses={town.own.id: "support"})[0]
    change = "UPDATE role_permissions SET allowed = %s WHERE role = 'Support' AND action = 'cancel'"
    town.check(town.own, cancel, support, allowed=False)
    town.stack.execute(change, True)
    try:
        town.check(town.own, cancel, support, allowed=True)
    finally:
        town.stack.execute(change, False)
    town.check(town.own, cancel, support, allowed=False)


def test_a_business_exists_once_a_token_named_it(town: Town) -> None:
    new = f"shop-{uuid.uuid4()}"
    stats = ENDPOINTS[2]
    admin = carriers(role="admin")[0]
    assert town.ask(new, stats, admin).status_code == 404
    assert town.ask(new, stats, carriers(businesses={new: "Manager"})[0]).status_code == 200
    assert town.ask(new, stats, admin).status_code == 200
