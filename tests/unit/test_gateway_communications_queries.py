"""Queries and conditions of the communication surface: their bounds and words, and what is asked for then."""

from __future__ import annotations

import httpx
import pytest
from google.protobuf.message import Message

from jobline.v1 import communication_service_pb2 as pb
from support.communications_rest import BASE, BUSINESS, at, envelope, message
from support.gateway import bearer, gateway_client
from support.queue_peers import queue_peer

A_TIME = "must be a timestamp with offset, such as 2025-10-26T11:00:00Z"


async def ask(path: str, **answers: Message) -> tuple[httpx.Response, Message]:
    """The answer and the last request to the queue service."""
    empty = {
        "ListMessages": pb.ListMessagesResponse(),
        "ListOutbox": pb.ListOutboxResponse(),
        "Authorize": pb.AuthorizeResponse(),
    }
    async with queue_peer(**{**empty, **answers}) as peer, gateway_client(peer.address) as gateway:
        return await gateway.get(path, headers=bearer()), peer.received[-1].request


@pytest.mark.parametrize("path", [f"{BASE}/pending", f"{BASE}/failed", f"{BUSINESS}/outbox"])
@pytest.mark.parametrize("limit", ["0", "00", "-1", "", "x", "1.0", "+5", " 5", "%2B5", "1e3", "٥", "null", "0x10"])
async def test_a_limit_that_is_no_positive_integer_is_refused(path: str, limit: str) -> None:
    got, request = await ask(f"{path}?limit={limit}")
    assert (got.status_code, got.json()) == (400, envelope(400, "limit must be a positive integer"))
    assert request == pb.AuthorizeRequest(business_id="shop-1", action=pb.ACTION_VIEW_JOBS)


@pytest.mark.parametrize(
    ("limit", "size"), [("1", 1), ("007", 7), ("1000", 1000), ("1001", 1000), ("9" * 5000, 1000), ("5&limit=6", 6)]
)
async def test_a_large_limit_reads_as_a_thousand_and_of_two_the_last_counts(limit: str, size: int) -> None:
    for path in ("pending", "failed"):
        _, request = await ask(f"{BASE}/{path}?limit={limit}")
        assert isinstance(request, pb.ListMessagesRequest)
        assert request.page_size == size
    _, request = await ask(f"{BUSINESS}/outbox?limit={limit}")
    assert request == pb.ListOutboxRequest(business_id="shop-1", limit=size)


async def test_without_a_query_the_lists_have_their_own_order_and_size() -> None:
    _, pending = await ask(f"{BASE}/pending")
    _, failed = await ask(f"{BASE}/failed")
    assert pending == pb.ListMessagesRequest(
        business_id="shop-1",
        filter=pb.MessageFilter(statuses=[pb.MESSAGE_STATUS_PENDING]),
        order=pb.MESSAGE_ORDER_PROCESSING,
        page_size=10,
    )
    assert failed == pb.ListMessagesRequest(
        business_id="shop-1",
        filter=pb.MessageFilter(statuses=[pb.MESSAGE_STATUS_FAILED]),
        order=pb.MESSAGE_ORDER_LATEST,
        page_size=50,
    )
    _, outbox = await ask(f"{BUSINESS}/outbox?communicationId=order%2F17")
    assert outbox == pb.ListOutboxRequest(business_id="shop-1", communication_id="order/17", limit=50)


async def test_every_filter_reaches_the_queue_service() -> None:
    query = (
        "status=cancelled,pending&priority=high&channel=sms&q=caf%C3%A9+%25"
        "&from=2025-10-26T10:00:00+02:00&to=2025-10-27T00:00:00z&cursor=abc&unknown=1"
    )
    _, request = await ask(f"{BASE}/pending?{query}")
    assert isinstance(request, pb.ListMessagesRequest)
    assert request.page_token == "abc"
    assert request.filter == pb.MessageFilter(
        statuses=[pb.MESSAGE_STATUS_PENDING],
        priority=pb.MESSAGE_PRIORITY_HIGH,
        channel=pb.CHANNEL_SMS,
        query="café %",
        to=at("2025-10-27T00:00:00Z"),
        **{"from": at("2025-10-26T08:00:00Z")},
    )


async def test_a_status_that_the_list_does_not_have_leaves_none_but_needs_the_right() -> None:
    got, request = await ask(f"{BASE}/pending?status=failed,completed")
    assert (got.status_code, got.text) == (200, "[]")
    assert request == pb.AuthorizeRequest(business_id="shop-1", action=pb.ACTION_VIEW_JOBS)


STATUSES = "must be one of pending, processing, completed, failed, cancelled, or several with commas between"
BAD_QUERIES = [
    ("status=done", f"status {STATUSES}"),
    ("status=", f"status {STATUSES}"),
    ("status=failed,", f"status {STATUSES}"),
    ("status=failed, pending", f"status {STATUSES}"),
    ("priority=10", "priority must be one of high, normal, low"),
    ("priority=", "priority must be one of high, normal, low"),
    ("channel=fax", "channel must be one of email, sms, whatsapp, messenger"),
    ("from=yesterday", f"from {A_TIME}"),
    ("from=2025-10-26T10:00:00", f"from {A_TIME}"),
    ("to=", f"to {A_TIME}"),
    (f"q={'x' * 201}", "q must have at most 200 characters"),
    ("q=%00", "q must not contain NUL characters"),
    ("q=%00&channel=fax&status=x", f"status {STATUSES}"),
]


@pytest.mark.parametrize(("query", "text"), BAD_QUERIES)
@pytest.mark.parametrize("path", ["pending", "failed", "export.csv"])
async def test_a_bad_filter_is_named_with_what_it_must_be(path: str, query: str, text: str) -> None:
    got, request = await ask(f"{BASE}/{path}?{query}")
    assert (got.status_code, got.json()) == (400, envelope(400, text))
    assert request == pb.AuthorizeRequest(business_id="shop-1", action=pb.ACTION_VIEW_JOBS)


async def test_an_empty_cursor_was_never_given_out() -> None:
    got, _ = await ask(f"{BASE}/failed?cursor=")
    assert got.json() == envelope(400, "cursor must be one that a list returned")


async def test_an_empty_text_is_in_every_job() -> None:
    got, request = await ask(f"{BASE}/failed?q=")
    assert got.status_code == 200
    assert isinstance(request, pb.ListMessagesRequest)
    assert request.filter.query == ""


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("", ""),
        ("?limit=2", "limit=2&"),
        ("?cursor=old&limit=2", "limit=2&"),
        ("?q=a%26b+%C3%A9%3E&limit=1&limit=9999&x=%22", "q=a%26b+%C3%A9%3E&limit=9999&x=%22&"),
        ("?from=2025-10-26T10%3A00%3A00%2B02%3A00", "from=2025-10-26T10%3A00%3A00%2B02%3A00&"),
    ],
)
async def test_the_next_page_is_the_same_request_with_another_cursor(query: str, kept: str) -> None:
    page = pb.ListMessagesResponse(messages=[message("a", "b", "pending")], next_page_token="a+b/c=")
    got, _ = await ask(f"{BASE}/pending/{query}", ListMessages=page)
    assert got.headers["link"] == f'<{BASE}/pending?{kept}cursor=a%2Bb%2Fc%3D>; rel="next"'


async def test_the_last_page_has_no_link() -> None:
    got, _ = await ask(f"{BASE}/pending")
    assert "link" not in got.headers


async def test_the_link_cannot_be_broken_out_of() -> None:
    page = pb.ListMessagesResponse(next_page_token="t")
    path = '/api/businesses/a>;"b é/communication-queue/pending'
    got, _ = await ask(path, ListMessages=page)
    link = '</api/businesses/a%3E%3B%22b%20%C3%A9/communication-queue/pending?cursor=t>; rel="next"'
    assert got.headers["link"] == link


# ---- retry-failed ---------------------------------------------------------------------------------------------------


async def retry_failed(content: bytes) -> tuple[httpx.Response, Message]:
    answers = {"RetryFailedMessages": pb.RetryFailedMessagesResponse(), "Authorize": pb.AuthorizeResponse()}
    async with queue_peer(**answers) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.post(f"{BASE}/retry-failed", content=content, headers=bearer())
        return got, peer.received[-1].request


@pytest.mark.parametrize(
    ("content", "request_"),
    [
        (b"", pb.RetryFailedMessagesRequest()),
        (b"{}", pb.RetryFailedMessagesRequest()),
        (
            b'{"error":null,"channel":null,"before":null,"dryRun":null,"expectedCount":null}',
            pb.RetryFailedMessagesRequest(),
        ),
        (b'{"expectedCount":0,"error":""}', pb.RetryFailedMessagesRequest(expected_count=0)),
        (b'{"expectedCount":1' + b"0" * 40 + b"}", pb.RetryFailedMessagesRequest(expected_count=2**63 - 1)),
        (
            b'{"error":"Timeout","channel":"sms","before":"2025-10-26T11:00:00Z","dryRun":true,"expectedCount":7}',
            pb.RetryFailedMessagesRequest(
                error="Timeout",
                channel=pb.CHANNEL_SMS,
                before=at("2025-10-26T11:00:00Z"),
                dry_run=True,
                expected_count=7,
            ),
        ),
    ],
)
async def test_a_bulk_retry_asks_for_what_was_said(content: bytes, request_: pb.RetryFailedMessagesRequest) -> None:
    got, request = await retry_failed(content)
    request_.business_id = "shop-1"
    assert (got.status_code, request) == (200, request_)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"{", "Request body is not valid JSON"),
        (b" ", "Request body is not valid JSON"),
        (b"[]", "Request body must be a JSON object"),
        (b'{"error":5}', "error must be a string"),
        (b'{"error":"' + b"x" * 201 + b'"}', "error must have at most 200 characters"),
        (b'{"channel":"fax"}', "channel must be one of email, sms, whatsapp, messenger"),
        (b'{"before":"2025"}', f"before {A_TIME}"),
        (b'{"dryRun":"true"}', "dryRun must be true or false"),
        (b'{"dryRun":1}', "dryRun must be true or false"),
        (b'{"expectedCount":-1}', "expectedCount must be an integer of at least 0"),
        (b'{"expectedCount":2.0}', "expectedCount must be an integer of at least 0"),
        (b'{"expectedCount":true,"dryRun":0}', "dryRun must be true or false"),
    ],
)
async def test_a_bad_condition_of_a_bulk_retry_is_named(content: bytes, text: str) -> None:
    got, request = await retry_failed(content)
    assert (got.status_code, got.json()) == (400, envelope(400, text))
    assert request == pb.AuthorizeRequest(business_id="shop-1", action=pb.ACTION_RETRY)
