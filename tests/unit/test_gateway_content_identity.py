"""Who may call the jobs API: users by token, anonymous sessions by an id in the header, the query or the body."""

from __future__ import annotations

import json
from typing import Any

import grpc
import httpx
import pytest

from jobline.v1 import account_service_pb2 as accounts
from jobline.v1 import content_service_pb2 as pb
from support.gateway import bearer, gateway_client, user_token
from support.jobs_rest import BASE, GENERATION, JOB_ID, LITERALS, content_job, job_path
from support.queue_peers import QueuePeer, queue_peer, refuse

OK: dict[str, Any] = {
    "CreateWebsiteAnalysis": pb.CreateWebsiteAnalysisResponse(id=JOB_ID),
    "CreateContentGeneration": pb.CreateContentGenerationResponse(id=JOB_ID),
    "ListContentJobs": pb.ListContentJobsResponse(),
    "GetContentJob": pb.GetContentJobResponse(job=content_job("queued")),
    "RetryContentJob": pb.RetryContentJobResponse(),
    "CancelContentJob": pb.CancelContentJobResponse(),
}
ENDPOINTS = [
    ("POST", f"{BASE}/website-analysis"),
    ("POST", f"{BASE}/content-generation"),
    ("GET", BASE),
    ("GET", job_path("status")),
    ("GET", job_path("events")),
    ("POST", job_path("retry")),
    ("POST", job_path("cancel")),
]
ELSEWHERE = [
    ("GET", f"{BASE}/nope"),
    ("DELETE", BASE),
    ("PUT", f"{BASE}/website-analysis"),
    ("POST", job_path("status")),
]
URL = {"url": "https://example.com"}


def caller(peer: QueuePeer) -> accounts.Caller:
    """On whose behalf the last call was made."""
    return accounts.Caller.FromString(peer.received[-1].metadata["jobline-caller-bin"])


def answer(got: httpx.Response) -> tuple[int, str]:
    return got.status_code, got.text


@pytest.mark.parametrize(("method", "path"), [*ENDPOINTS, *ELSEWHERE])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"sessionId":""}', b" " * (1024 * 1024 + 1)], ids=range(5))
async def test_a_stranger_is_told_so_and_nothing_else(method: str, path: str, content: bytes) -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        got = await gateway.request(method, path, content=content)
        assert answer(got) == LITERALS["no identity"]
        assert got.headers["www-authenticate"] == "Bearer"
        assert peer.received == []


async def test_a_stranger_with_a_body_of_unknown_length_that_is_too_long_is_a_stranger() -> None:
    async def chunks() -> Any:
        for _ in range(1025):
            yield b" " * 1024

    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        assert answer(await gateway.post(f"{BASE}/website-analysis", content=chunks())) == LITERALS["no identity"]
        headers = {"x-session-id": "s-1"}
        known = await gateway.post(f"{BASE}/website-analysis", content=chunks(), headers=headers)
        assert answer(known) == LITERALS["too large"]
        known = await gateway.post(f"{BASE}/website-analysis", content=chunks(), headers=bearer())
        assert answer(known) == LITERALS["too large"]


BAD_TOKENS: list[dict[str, str]] = [
    {"authorization": "Bearer rubbish"},
    {"authorization": f"Bearer {user_token(exp=1)}"},
    {"authorization": "Bearer"},
    {"authorization": "Basic dTpw"},
    {"authorization": "Basic dTpw", "cookie": f"session={user_token()}"},
    {"cookie": "session=rubbish"},
]


@pytest.mark.parametrize(("method", "path"), [*ENDPOINTS, *ELSEWHERE])
@pytest.mark.parametrize("number", range(len(BAD_TOKENS)))
async def test_a_token_that_is_sent_must_be_valid_even_beside_a_session(method: str, path: str, number: int) -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        for session in ({}, {"x-session-id": "s-1"}):
            got = await gateway.request(method, path, headers={**BAD_TOKENS[number], **session}, content=b"{")
            assert answer(got) == LITERALS["bad token"]
            assert got.headers["www-authenticate"] == "Bearer"
        assert peer.received == []


async def test_claims_that_the_queue_service_refuses_make_the_token_invalid() -> None:
    no = refuse(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", fields={"caller.email": "x"})
    async with queue_peer(EnsureCaller=no) as peer, gateway_client(peer.address) as gateway:
        assert answer(await gateway.get(BASE, headers=bearer())) == LITERALS["bad token"]


@pytest.mark.parametrize(("method", "path"), [each for each in ENDPOINTS if "generation" not in each[1]])
async def test_a_cookie_without_a_token_is_none(method: str, path: str) -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        got = await gateway.request(method, path, headers={"cookie": "session=; theme=dark"})
        assert answer(got) == LITERALS["no identity"]


@pytest.mark.parametrize(
    ("headers", "query", "content", "session"),
    [
        ({"x-session-id": "by-header"}, "?sessionId=q", {"sessionId": "b"}, "by-header"),
        ({}, "?sessionId=by-query", {"sessionId": "b"}, "by-query"),
        ({}, "", {"sessionId": "by-body"}, "by-body"),
        ({"x-session-id": ""}, "?sessionId=", {"sessionId": "by-body"}, "by-body"),
        ({"x-session-id": "x" * 256}, "?sessionId=by-query", {}, "by-query"),
        ({"x-session-id": "x" * 255}, "", {}, "x" * 255),
        ({}, "?sessionId=a%20b%2Fc", {}, "a b/c"),
        ({}, f"?sessionId={'%C3%A9' * 255}", {}, "é" * 255),
        ({}, "?sessionId=a%00b", {"sessionId": "by-body"}, "by-body"),
        ({}, "?sessionId=1&sessionId=2", {}, "2"),
        ({}, "", {"sessionId": "😀" * 255}, "😀" * 255),
    ],
)
async def test_a_session_is_named_in_the_header_else_the_query_else_the_body(
    headers: dict[str, str], query: str, content: dict[str, Any], session: str
) -> None:
    async with queue_peer(**OK) as peer, gateway_client(peer.address) as gateway:
        for method, path in (
            ("POST", f"{BASE}/website-analysis"),
            ("POST", job_path("cancel")),
            ("GET", job_path("status")),
        ):
            got = await gateway.request(method, f"{path}{query}", headers=headers, json={**URL, **content})
            assert got.status_code in (200, 201), got.text
            assert caller(peer) == accounts.Caller(session=session)
        assert peer.calls("EnsureCaller") == 0


@pytest.mark.parametrize("sent", ["é".encode(), "é".encode("latin-1")], ids=["utf-8", "latin-1"])
async def test_a_header_in_either_encoding_names_the_same_session(sent: bytes) -> None:
    async with queue_peer(**OK) as peer, gateway_client(peer.address) as gateway:
        await gateway.get(BASE, headers=[(b"x-session-id", sent)])
        assert caller(peer).session == "é"


@pytest.mark.parametrize(
    "value", ["", "x" * 256, 7, None, True, ["s"], {"a": "s"}, "a\0b", "\ud800"], ids=lambda value: repr(value)[:12]
)
async def test_what_is_no_session_id_lets_nobody_in(value: Any) -> None:
    async with queue_peer(**OK) as peer, gateway_client(peer.address) as gateway:
        content = json.dumps({**URL, "sessionId": value}).encode()
        assert answer(await gateway.post(f"{BASE}/website-analysis", content=content)) == LITERALS["no identity"]
        # Beside a token it does no harm.
        got = await gateway.post(f"{BASE}/website-analysis", content=content, headers=bearer())
        assert (got.status_code, caller(peer).session) == (201, "")


@pytest.mark.parametrize(("method", "path"), ENDPOINTS[2:4] + ENDPOINTS[5:])
async def test_who_sends_a_token_and_a_session_is_both(method: str, path: str) -> None:
    async with queue_peer(**OK) as peer, gateway_client(peer.address) as gateway:
        for headers, query, content in (
            ({"x-session-id": "s-1"}, "", None),
            ({}, "?sessionId=s-1", None),
            ({}, "", {"sessionId": "s-1"}),
        ):
            got = await gateway.request(method, f"{path}{query}", headers={**bearer("u-1"), **headers}, json=content)
            assert got.status_code == 200
            assert (caller(peer).sub, caller(peer).session) == ("u-1", "s-1")


async def test_a_user_alone_is_announced_once_and_has_no_session() -> None:
    async with queue_peer(**OK) as peer, gateway_client(peer.address) as gateway:
        for headers in (bearer("u-1"), {"cookie": f"session={user_token('u-1')}"}):
            assert (await gateway.get(BASE, headers=headers)).status_code == 200
            assert (caller(peer).sub, caller(peer).session) == ("u-1", "")
        assert peer.calls("EnsureCaller") == 1


@pytest.mark.parametrize("content", [b"{", b"{}", b"[]", json.dumps(GENERATION).encode()], ids=range(4))
async def test_a_text_needs_a_user_before_anything_else(content: bytes) -> None:
    async with queue_peer(**OK) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.post(f"{BASE}/content-generation", content=content, headers={"x-session-id": "s-1"})
        assert answer(got) == LITERALS["no user"]
        assert got.headers["www-authenticate"] == "Bearer"
        assert peer.received == []


async def test_a_text_with_the_session_in_the_body_only_needs_a_user_too() -> None:
    async with queue_peer(**OK) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.post(f"{BASE}/content-generation", json={**GENERATION, "sessionId": "s-1"})
        assert answer(got) == LITERALS["no user"]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS[:4] + ENDPOINTS[5:])
async def test_a_cookie_from_another_site_changes_nothing(method: str, path: str) -> None:
    headers = {"cookie": f"session={user_token()}", "origin": "https://evil.example", "x-session-id": "s-1"}
    async with queue_peer(**OK) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.request(method, path, headers=headers, json={**URL, **GENERATION})
        if method == "GET":
            assert got.status_code == 200
        else:
            assert answer(got) == LITERALS["foreign cookie"]
            assert peer.received == []
        # A session alone is no cookie: another site cannot make a browser send it.
        del headers["cookie"]
        got = await gateway.request(method, path, headers=headers, json=URL)
        assert got.status_code in (200, 201) or got.text == LITERALS["no user"][1]


async def test_a_session_opens_no_other_surface() -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        for path in ("/api/queue/", "/api/email/", "/api/businesses/shop-1/communication-queue/stats"):
            got = await gateway.get(f"{path}?sessionId=s-1", headers={"x-session-id": "s-1"})
            assert got.status_code == 401
        assert peer.received == []
