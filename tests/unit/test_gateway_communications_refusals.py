"""What the communication surface refuses: its envelope, the order of its checks, its paths and fixed words."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from jobline.v1 import communication_service_pb2 as pb
from support.communications_rest import BASE, BUSINESS, envelope
from support.gateway import bearer, gateway_client, user_token
from support.queue_peers import Answer, queue_peer, refuse

ID = "7c3e6b1a-5d0f-4a57-9a51-0b9f2c1d7e33"
GOOD = {"channel": "sms", "recipientContact": "1", "body": "Hi"}
NO_BUSINESS = refuse(grpc.StatusCode.NOT_FOUND, "BUSINESS_NOT_FOUND")
NO_RIGHT = refuse(grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN")
NO_JOB = refuse(grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")

#: Every endpoint: method, path, the call that it makes.
ENDPOINTS = [
    ("POST", f"{BUSINESS}/communications", "SubmitMessages"),
    ("GET", f"{BUSINESS}/outbox", "ListOutbox"),
    ("GET", f"{BASE}/stats", "GetMessageStats"),
    ("GET", f"{BASE}/health", "GetMessageHealth"),
    ("GET", f"{BASE}/pending", "ListMessages"),
    ("GET", f"{BASE}/failed", "ListMessages"),
    ("GET", f"{BASE}/export.csv", "ExportMessages"),
    ("GET", f"{BASE}/by-communication/c", "ListCommunicationMessages"),
    ("GET", f"{BASE}/{ID}", "GetMessage"),
    ("POST", f"{BASE}/{ID}/retry", "RetryMessage"),
    ("POST", f"{BASE}/{ID}/cancel", "CancelMessage"),
    ("DELETE", f"{BASE}/{ID}", "DeleteMessage"),
    ("POST", f"{BASE}/retry-failed", "RetryFailedMessages"),
    ("POST", f"{BASE}/process-now", "Authorize"),
]
STREAMS = {"ExportMessages", "ListCommunicationMessages"}
OF_A_JOB = [endpoint for endpoint in ENDPOINTS if ID in endpoint[1]]


def as_stream(answer: Answer) -> Any:
    """The same refusal from a call that streams."""

    async def stream(call: Any, context: Any) -> Any:
        yield await answer(call, context)

    return stream


def answering(call: str, answer: Answer) -> dict[str, Any]:
    return {call: as_stream(answer) if call in STREAMS else answer}


@pytest.mark.parametrize(("method", "path", "call"), ENDPOINTS)
@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        (NO_BUSINESS, 404, "Business shop-1 not found"),
        (NO_RIGHT, 403, "Forbidden resource"),
        (refuse(grpc.StatusCode.INTERNAL, "INTERNAL"), 500, "Internal server error"),
        (refuse(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"), 500, "Internal server error"),
        (refuse(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE"), 503, "Service unavailable"),
    ],
)
async def test_a_refusal_of_the_queue_service_is_answered_in_the_surfaces_words(
    method: str, path: str, call: str, answer: Answer, status: int, text: str
) -> None:
    async with queue_peer(**answering(call, answer)) as peer, gateway_client(peer.address) as gateway:
        content = {"json": GOOD} if method == "POST" else {}
        got = await gateway.request(method, path, headers=bearer(), **content)
        assert (got.status_code, got.json()) == (status, envelope(status, text))


@pytest.mark.parametrize(("method", "path", "call"), OF_A_JOB)
async def test_an_unknown_job_is_named_as_it_was_asked_for(method: str, path: str, call: str) -> None:
    async with queue_peer(**{call: NO_JOB}) as peer, gateway_client(peer.address) as gateway:
        for sent, shown in ((ID, ID), ("42", "42"), ("%00", "\0"), ("x" * 300, "x" * 300), ("%C3%A9%20", "é ")):
            got = await gateway.request(method, path.replace(ID, sent), headers=bearer())
            assert (got.status_code, got.json()) == (404, envelope(404, f"Job {shown} not found"))
            assert peer.received[-1].request.id == shown  # type: ignore[attr-defined]


@pytest.mark.parametrize(("method", "path", "call"), ENDPOINTS)
async def test_the_token_goes_before_everything_else_and_its_fault_is_not_told(
    method: str, path: str, call: str
) -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        for headers in ({}, {"authorization": "Basic x"}, {"authorization": f"Bearer {user_token(exp=1)}"}):
            got = await gateway.request(method, path, headers=headers, content=b"{" * 2_000_000)
            assert (got.status_code, got.text) == (401, '{"statusCode":401,"message":"Unauthorized"}')
            assert got.headers["www-authenticate"] == "Bearer"
        assert peer.received == []


@pytest.mark.parametrize(("method", "path", "call"), ENDPOINTS)
async def test_a_cookie_from_another_site_is_a_forbidden_resource_for_what_changes_something(
    method: str, path: str, call: str
) -> None:
    headers = {"cookie": f"session={user_token()}", "origin": "https://evil.example"}
    async with queue_peer(**answering(call, NO_BUSINESS)) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.request(method, path, headers=headers, json=GOOD)
        expected = 404 if method == "GET" else 403
        assert got.status_code == expected
        if expected == 403:
            assert got.text == '{"statusCode":403,"message":"Forbidden resource","error":"Forbidden"}'
            assert peer.received == []


BAD_INPUT = [
    ("POST", f"{BUSINESS}/communications", pb.ACTION_CREATE),
    ("POST", f"{BASE}/retry-failed", pb.ACTION_RETRY),
    ("GET", f"{BASE}/pending?limit=0", pb.ACTION_VIEW_JOBS),
    ("GET", f"{BASE}/failed?status=x", pb.ACTION_VIEW_JOBS),
    ("GET", f"{BASE}/export.csv?from=x", pb.ACTION_VIEW_JOBS),
    ("GET", f"{BUSINESS}/outbox?limit=x", pb.ACTION_VIEW_JOBS),
]


@pytest.mark.parametrize(("method", "path", "action"), BAD_INPUT)
async def test_bad_input_is_refused_after_the_business_and_the_right_were_checked(
    method: str, path: str, action: pb.Action.ValueType
) -> None:
    for answer, status in ((NO_BUSINESS, 404), (NO_RIGHT, 403), (pb.AuthorizeResponse(), 400)):
        async with queue_peer(Authorize=answer) as peer, gateway_client(peer.address) as gateway:
            got = await gateway.request(method, path, headers=bearer(), content=b"{")
            assert got.status_code == status
            assert peer.received[-1].request == pb.AuthorizeRequest(business_id="shop-1", action=action)


@pytest.mark.parametrize(
    ("field", "description", "text"),
    [
        (
            "messages[0].template_id",
            "must be the id of a template of this business",
            "templateId must be the id of a template of this business",
        ),
        (
            "messages[0].template_variables_json",
            "must have a value for name",
            "templateVariables must have a value for name",
        ),
        ("messages[0].communication_id", "must be x", "communicationId must be x"),
        ("filter.query", "must be shorter", "q must be shorter"),
        ("filter.statuses[1]", "must be a status", "status must be a status"),
        ("filter.from", "must be earlier", "from must be earlier"),
        ("page_size", "must be smaller", "limit must be smaller"),
        ("page_token", "must be the next_page_token of a list", "cursor must be one that a list returned"),
    ],
)
async def test_a_field_that_only_the_queue_service_refuses_is_named_as_this_surface_names_it(
    field: str, description: str, text: str
) -> None:
    no = refuse(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", fields={field: description, "messages[1].body": "x"})
    async with queue_peer(SubmitMessages=no) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.post(f"{BUSINESS}/communications", json=GOOD, headers=bearer())
        assert (got.status_code, got.json()) == (400, envelope(400, text))


async def test_a_wrong_expected_count_is_a_conflict_that_names_both_numbers() -> None:
    no = refuse(grpc.StatusCode.FAILED_PRECONDITION, "COUNT_CHANGED", count="7")
    async with queue_peer(RetryFailedMessages=no) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.post(f"{BASE}/retry-failed", json={"expectedCount": 5}, headers=bearer())
        assert got.status_code == 409
        assert got.text == '{"statusCode":409,"message":"expectedCount is 5, but 7 jobs match","error":"Conflict"}'


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", f"{BUSINESS}/communications", "POST"),
        ("POST", f"{BUSINESS}/outbox/", "GET"),
        ("DELETE", f"{BASE}/stats", "GET"),
        ("POST", f"{BASE}/pending", "GET"),
        ("PATCH", f"{BASE}/failed", "GET"),
        ("DELETE", f"{BASE}/health/", "GET"),
        ("DELETE", f"{BASE}/export.csv", "GET"),
        ("GET", f"{BASE}/process-now", "POST"),
        ("DELETE", f"{BASE}/process-now", "POST"),
        ("GET", f"{BASE}/retry-failed", "POST"),
        ("DELETE", f"{BASE}/by-communication/x", "GET"),
        ("PUT", f"{BASE}/{ID}", "DELETE, GET"),
        ("OPTIONS", f"{BASE}/{ID}", "DELETE, GET"),
        ("GET", f"{BASE}/{ID}/retry", "POST"),
        ("DELETE", f"{BASE}/{ID}/cancel", "POST"),
        ("DELETE", f"{BASE}/statsx", None),
        ("DELETE", f"{BASE}/Stats", None),
    ],
)
async def test_a_fixed_word_is_no_id_and_a_wrong_method_is_405_with_every_right_one(
    method: str, path: str, allow: str | None
) -> None:
    async with queue_peer(DeleteMessage=pb.DeleteMessageResponse()) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.request(method, path, headers=bearer())
        if allow is None:
            assert got.status_code == 204
        else:
            assert (got.status_code, got.headers["allow"]) == (405, allow)
            assert got.json() == envelope(405, "Method not allowed")
            assert peer.calls("DeleteMessage") == 0


@pytest.mark.parametrize(
    "path",
    [
        "/api/businesses",
        "/api/businesses/",
        BUSINESS,
        BASE,
        f"{BASE}/",
        f"{BUSINESS}/nope",
        f"{BASE}/events/nope",
        f"{BASE}/by-communication",
        f"{BASE}/by-communication/",
        f"{BASE}/stats/retry",
        f"{BASE}/{ID}/nope",
        f"{BASE}/a%2Fb",
        f"{BASE}/a/b/retry",
        "/api/businesses//communications",
        "/api/businesses//communication-queue/stats",
    ],
)
async def test_an_unknown_path_has_the_surfaces_envelope(path: str) -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        for method in ("GET", "POST", "DELETE"):
            got = await gateway.request(method, path, headers=bearer())
            assert (got.status_code, got.json()) == (404, envelope(404, "Not found"))


async def test_ids_are_opaque_a_communication_may_even_have_slashes() -> None:
    async def found(call: Any, context: Any) -> Any:
        yield pb.ListCommunicationMessagesResponse()

    async with queue_peer(ListCommunicationMessages=found) as peer, gateway_client(peer.address) as gateway:
        for sent, meant in (
            ("order%2F17", "order/17"),
            ("a/b/", "a/b"),
            ("a%2F", "a/"),
            ("a%2f/", "a/"),
            ("stats", "stats"),
            ("%F0%9F%98%80%25", "😀%"),
        ):
            got = await gateway.get(f"{BASE}/by-communication/{sent}", headers=bearer())
            assert (got.status_code, got.text) == (200, "[]")
            asked = peer.received[-1].request
            assert asked == pb.ListCommunicationMessagesRequest(business_id="shop-1", communication_id=meant)


async def test_a_business_is_named_as_it_was_asked_for() -> None:
    async with queue_peer(GetMessageStats=NO_BUSINESS) as peer, gateway_client(peer.address) as gateway:
        for sent, shown in (("a%20b", "a b"), ("%00", "\0"), ("x" * 300, "x" * 300), ("%3Cb%3E", "<b>")):
            got = await gateway.get(f"/api/businesses/{sent}/communication-queue/stats", headers=bearer())
            assert got.json() == envelope(404, f"Business {shown} not found")


async def test_a_body_over_one_mebibyte_is_413() -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        for path in (f"{BUSINESS}/communications", f"{BASE}/retry-failed"):
            got = await gateway.post(path, content=b" " * (1024 * 1024 + 1), headers=bearer())
            assert (got.status_code, got.json()) == (413, envelope(413, "Request body too large"))


async def test_without_a_queue_service_the_answer_is_503() -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        got = await gateway.get(f"{BASE}/stats", headers=bearer())
        assert (got.status_code, got.json()) == (503, envelope(503, "Service unavailable"))
