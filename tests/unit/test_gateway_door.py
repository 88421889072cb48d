"""Who gets in: tokens in the header and in the cookie, requests from other sites, the announcing of callers."""

import asyncio
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.message import Message

from jobline.v1 import account_service_pb2 as accounts
from jobline.v1 import email_service_pb2 as pb
from support.gateway import bearer, gateway_client, user_token
from support.provider_servers import refused_url
from support.queue_peers import Call, Context, queue_peer, refuse

ID = "550e8400-e29b-41d4-a716-446655440000"
OK: dict[str, Any] = {"ListQueueItems": pb.ListQueueItemsResponse(), "CancelQueueItem": pb.CancelQueueItemResponse()}


def cookie(token: str | None = None) -> dict[str, str]:
    return {"cookie": f"a=b; session={token or user_token()}"}


def is_challenge(answer: httpx.Response, detail: str) -> bool:
    return (answer.status_code, answer.json(), answer.headers["www-authenticate"]) == (
        401,
        {"detail": detail},
        "Bearer",
    )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": "Basic dTpw"},
        {"authorization": "Token abc"},
        {"authorization": "Basic dTpw", **cookie()},
        {"authorization": "", **cookie()},
        {"cookie": "session="},
        {"cookie": "sessions=abc"},
    ],
)
async def test_without_a_bearer_token_the_answer_is_not_authenticated(headers: dict[str, str]) -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        assert is_challenge(await gateway.get("/api/queue/", headers=headers), "Not authenticated")


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("POST", "/api/queue/batch", b"not json"),
        ("POST", "/api/queue/batch", b"x" * (1024 * 1024 + 1)),
        ("DELETE", "/api/queue/42", None),
        ("GET", "/api/email/42", None),
        ("GET", "/api/email/?limit=x", None),
        ("PATCH", "/api/email/42", b"{}"),
        ("PUT", "/api/queue/batch", None),
        ("GET", "/api/queue/a/b/c", None),
    ],
)
async def test_the_token_is_checked_before_anything_else(method: str, path: str, content: bytes | None) -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        assert is_challenge(await gateway.request(method, path, content=content), "Not authenticated")
        bad = await gateway.request(method, path, content=content, headers={"authorization": "Bearer x"})
        assert is_challenge(bad, "Invalid token: malformed")


async def test_a_token_in_the_query_is_no_token() -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        answer = await gateway.get(f"/api/queue/?token={user_token()}&access_token={user_token()}")
        assert is_challenge(answer, "Not authenticated")


async def test_two_authorization_headers_are_one_too_many() -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        headers = [("authorization", f"Bearer {user_token('a')}"), ("authorization", f"Bearer {user_token('b')}")]
        answer = await gateway.get("/api/queue/", headers=headers)
        assert is_challenge(answer, "Invalid token: more than one Authorization header")


async def test_the_header_and_the_cookie_both_let_in_and_the_header_wins() -> None:
    async with queue_peer(**OK) as peer, gateway_client(peer.address) as gateway:
        for headers in (
            bearer("by-header"),
            {"authorization": f"bEARER   {user_token('by-header')}"},
            bearer("by-header") | cookie(user_token("other")),
            cookie(user_token("by-cookie")),
        ):
            assert (await gateway.get("/api/queue", headers=headers)).status_code == 200
        callers = [
            accounts.Caller.FromString(call.metadata["jobline-caller-bin"]).sub
            for call in peer.received
            if call.method == "ListQueueItems"
        ]
        assert callers == ["by-header", "by-header", "by-header", "by-cookie"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://gateway.test"}, 200),
        ({"origin": "http://GATEWAY.test:80"}, 200),
        ({"origin": "https://jobline.example"}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "http://gateway.test.evil.example"}, 403),
        ({"origin": "http://gateway.test:81"}, 403),
        ({"origin": "http://gateway.test:port"}, 403),
        ({"origin": "http://evil@gateway.test:80@evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "Cross-Site", "origin": "http://gateway.test"}, 403),
    ],
)
async def test_a_change_on_the_word_of_the_cookie_must_come_from_our_own_pages(
    headers: dict[str, str], status: int
) -> None:
    async with (
        queue_peer(**OK) as peer,
        gateway_client(peer.address, public_url="https://jobline.example") as gateway,
    ):
        answer = await gateway.delete(f"/api/queue/{ID}", headers=cookie() | headers)
        assert answer.status_code == status
        assert peer.calls("CancelQueueItem") == (status == 200)
        if status == 403:
            assert answer.json() == {"detail": "Forbidden"}
            assert peer.received == []


async def test_reading_with_the_cookie_and_changing_with_the_header_need_no_origin_of_ours() -> None:
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    async with queue_peer(**OK) as peer, gateway_client(peer.address) as gateway:
        assert (await gateway.get("/api/queue/", headers=cookie() | foreign)).status_code == 200
        assert (await gateway.delete(f"/api/queue/{ID}", headers=bearer() | foreign)).status_code == 200
        both = bearer() | cookie() | foreign
        assert (await gateway.delete(f"/api/queue/{ID}", headers=both)).status_code == 200


async def test_a_caller_is_announced_once_with_all_that_the_token_says() -> None:
    said = {"email": "a@example.org", "app_metadata": {"role": "admin", "businesses": {"b1": "owner"}}}
    async with queue_peer(**OK) as peer, gateway_client(peer.address) as gateway:
        for _ in range(3):
            await gateway.get("/api/queue/", headers=bearer("u", **said))
        [call] = [call for call in peer.received if call.method == "EnsureCaller"]
        caller = accounts.Caller(sub="u", email="a@example.org", role="admin", businesses={"b1": "owner"})
        assert call.request == accounts.EnsureCallerRequest(caller=caller)


async def test_a_token_that_says_something_new_is_announced_again() -> None:
    async with queue_peer(**OK) as peer, gateway_client(peer.address) as gateway:
        await gateway.get("/api/queue/", headers=bearer("u"))
        await gateway.get("/api/queue/", headers=bearer("u", app_metadata={"businesses": {"b2": "owner"}}))
        assert peer.calls("EnsureCaller") == 2


async def test_requests_that_arrive_together_wait_for_one_announcement() -> None:
    everyone_is_waiting = asyncio.Event()

    async def slow(call: Call, context: Context) -> Message:
        await everyone_is_waiting.wait()
        return accounts.EnsureCallerResponse()

    async with queue_peer(EnsureCaller=slow, **OK) as peer, gateway_client(peer.address) as gateway:
        requests = [asyncio.create_task(gateway.get("/api/queue/", headers=bearer())) for _ in range(8)]
        await asyncio.wait(requests, timeout=0.3)
        everyone_is_waiting.set()
        answers = await asyncio.gather(*requests)
        assert {answer.status_code for answer in answers} == {200}
        assert peer.calls("EnsureCaller") == 1


async def test_a_failed_announcement_is_not_remembered() -> None:
    failing = [True]

    async def once(call: Call, context: Context) -> Message:
        if failing:
            failing.clear()
            return await refuse(grpc.StatusCode.INTERNAL, "INTERNAL")(call, context)
        return accounts.EnsureCallerResponse()

    async with queue_peer(EnsureCaller=once, **OK) as peer, gateway_client(peer.address) as gateway:
        assert (await gateway.get("/api/queue/", headers=bearer())).status_code == 500
        assert (await gateway.get("/api/queue/", headers=bearer())).status_code == 200


async def test_claims_that_the_queue_service_refuses_make_the_token_invalid() -> None:
    no = refuse(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", fields={"caller.email": "bad"})
    async with queue_peer(EnsureCaller=no, **OK) as peer, gateway_client(peer.address) as gateway:
        assert is_challenge(await gateway.get("/api/queue/", headers=bearer()), "Invalid token: invalid claims")


async def test_with_published_keys_the_development_secret_opens_nothing() -> None:
    async with gateway_client("127.0.0.1:1", jwks_url=refused_url()) as gateway:
        assert is_challenge(await gateway.get("/api/queue/", headers=bearer()), "Invalid token: wrong algorithm")
