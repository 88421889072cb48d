"""What the e-mail surface makes of the queue service's messages: bytes, order of keys, nulls, times."""

import json
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from jobline.v1 import email_service_pb2 as pb
from support.gateway import bearer, gateway_client
from support.queue_peers import queue_peer, refuse

ID = "550e8400-e29b-41d4-a716-446655440000"


def at(text: str) -> Timestamp:
    stamp = Timestamp()
    stamp.FromJsonString(text)
    return stamp


def item(id: str, name: str, status: str, created: str, **more: Any) -> pb.QueueItem:
    value = pb.QueueItemStatus.Value(f"QUEUE_ITEM_STATUS_{status}")
    return pb.QueueItem(id=id, recipient_name=name, status=value, created_at=at(created), **more)


async def test_a_batch_is_sent_once_with_an_id_of_its_own_and_answered_as_specified() -> None:
    ids = [ID, "660e8400-e29b-41d4-a716-446655440001"]
    body = {
        "items": [
            {"recipient_name": "Dr. Jane Smith ", "recipient_interest": "machine learning"},
            {"recipient_name": "Prof. John Doe", "recipient_interest": "computer vision"},
        ],
        "email_template": "Hey {{name}}, I loved your work on {{research}}!",
    }
    async with (
        queue_peer(SubmitEmails=pb.SubmitEmailsResponse(queue_item_ids=ids)) as peer,
        gateway_client(peer.address) as gateway,
    ):
        answers = [await gateway.post("/api/queue/batch", json=body, headers=bearer()) for _ in range(2)]
    assert answers[0].status_code == 201
    assert answers[0].text == f'{{"queue_item_ids":["{ids[0]}","{ids[1]}"],"message":"Successfully queued 2 items"}}'
    sent = [call.request for call in peer.received if isinstance(call.request, pb.SubmitEmailsRequest)]
    assert [entry.recipient_name for entry in sent[0].items] == ["Dr. Jane Smith ", "Prof. John Doe"]
    assert sent[0].user_id == ""
    assert len({request.request_id for request in sent}) == 2


async def test_the_word_is_items_for_one_item_too() -> None:
    body = {"items": [{"recipient_name": "ab", "recipient_interest": "cd"}], "email_template": "Dear {{n}} hi"}
    async with (
        queue_peer(SubmitEmails=pb.SubmitEmailsResponse(queue_item_ids=[ID])) as peer,
        gateway_client(peer.address) as gateway,
    ):
        answer = await gateway.post("/api/queue/batch", json=body, headers=bearer())
        assert answer.json()["message"] == "Successfully queued 1 items"


async def test_the_list_is_byte_for_byte_the_example_of_the_specification() -> None:
    late = "Web scraping timeout: No results found for search terms after 3 attempts."
    items = [
        item(ID, "Dr. Jane Smith", "PENDING", "2025-01-13T10:30:00Z", position=3),
        item("b", "Prof. John Doe", "PROCESSING", "2025-01-13T10:28:00.5Z", current_step="web_scraper"),
        item("c", "Dr. Alice Johnson", "COMPLETED", "2025-01-13T10:25:00Z", email_id="d"),
        item("e", "Zoë", "FAILED", "2025-01-13T10:20:00Z", error_message=late),
    ]
    async with (
        queue_peer(ListQueueItems=pb.ListQueueItemsResponse(items=items)) as peer,
        gateway_client(peer.address) as gateway,
    ):
        answer = await gateway.get("/api/queue/", headers=bearer())
    assert answer.headers["content-type"] == "application/json"
    assert answer.text == (
        f'[{{"id":"{ID}","recipient_name":"Dr. Jane Smith","status":"pending","position":3,'
        '"email_id":null,"error_message":null,"current_step":null,"created_at":"2025-01-13T10:30:00Z"},'
        '{"id":"b","recipient_name":"Prof. John Doe","status":"processing","position":null,'
        '"email_id":null,"error_message":null,"current_step":"web_scraper","created_at":"2025-01-13T10:28:00.500000Z"},'
        '{"id":"c","recipient_name":"Dr. Alice Johnson","status":"completed","position":null,'
        '"email_id":"d","error_message":null,"current_step":null,"created_at":"2025-01-13T10:25:00Z"},'
        '{"id":"e","recipient_name":"Zoë","status":"failed","position":null,'
        f'"email_id":null,"error_message":"{late}","current_step":null,"created_at":"2025-01-13T10:20:00Z"}}]'
    )


async def test_an_empty_list_is_an_empty_array() -> None:
    async with queue_peer(ListQueueItems=pb.ListQueueItemsResponse()) as peer, gateway_client(peer.address) as gateway:
        assert (await gateway.get("/api/queue/", headers=bearer())).text == "[]"


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (pb.CancelQueueItemResponse(), 200, {"message": "Queue item cancelled"}),
        (refuse(grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND"), 404, {"detail": "Queue item not found"}),
        *(
            (
                refuse(grpc.StatusCode.FAILED_PRECONDITION, "ILLEGAL_TRANSITION", state=state),
                400,
                {"detail": f"Cannot cancel item with status '{state}'"},
            )
            for state in ("processing", "completed", "failed")
        ),
    ],
)
async def test_cancelling_has_the_words_of_the_specification(answer: Any, status: int, body: dict[str, str]) -> None:
    async with queue_peer(CancelQueueItem=answer) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.delete(f"/api/queue/{ID.upper()}", headers=bearer())
        assert (got.status_code, got.json()) == (status, body)
        assert peer.received[-1].request == pb.CancelQueueItemRequest(id=ID)


@pytest.mark.parametrize("bad", ["42", "batch", "550e8400e29b41d4a716446655440000", "%00", "ü"])
async def test_an_id_that_is_no_uuid_is_400_and_asks_nobody(bad: str) -> None:
    shown = {"%00": "\0"}.get(bad, bad)
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        for method, path, what in (
            ("DELETE", "queue", "queue item"),
            ("GET", "email", "email"),
            ("PATCH", "email", "email"),
        ):
            answer = await gateway.request(method, f"/api/{path}/{bad}", headers=bearer(), content=b"{}")
            assert (answer.status_code, answer.json()) == (400, {"detail": f"Invalid {what} ID format: {shown}"})
        assert [call.method for call in peer.received] == ["EnsureCaller"]


METADATA = (
    '{"search_terms":["Dr. Alice Johnson protein folding"],"sources":["https://example.org/johnson"],'
    '"scraped_urls":["https://example.org/johnson"],"papers_used":["Folding at scale"],'
    '"arxiv_papers":[{"title":"Folding at scale","arxiv_url":"http://arxiv.org/abs/2401.00001","year":2024}],'
    '"step_timings":{"template_parser":1.2,"web_scraper":3.4,"arxiv_helper":2.1,"email_composer":4.8},'
    '"generation_time":11.5,"model":"embedded","temperature":0.7,"warnings":[]}'
)


def email(**changes: Any) -> pb.Email:
    # As a jsonb column would return it: the order of keys is the store's.
    shuffled = json.dumps(json.loads(METADATA), sort_keys=True)
    fields: dict[str, Any] = {
        "id": ID,
        "user_id": "user-1",
        "recipient_name": "Dr. Alice Johnson",
        "recipient_interest": "protein folding",
        "email_message": "Dear Dr. Alice Johnson, …",
        "template_type": "research",
        "metadata_json": shuffled,
        "is_confident": True,
        "displayed": True,
        "created_at": at("2025-01-13T10:25:40Z"),
    }
    return pb.Email(**{**fields, **changes})


EMAIL_JSON = (
    f'{{"id":"{ID}","user_id":"user-1","recipient_name":"Dr. Alice Johnson","recipient_interest":"protein folding",'
    '"email_message":"Dear Dr. Alice Johnson, …","template_type":"research",'
    f'"metadata":{METADATA},"is_confident":true,"displayed":true,"created_at":"2025-01-13T10:25:40Z"}}'
)


async def test_an_email_is_byte_for_byte_the_example_of_the_specification() -> None:
    async with queue_peer(GetEmail=pb.GetEmailResponse(email=email())) as peer, gateway_client(peer.address) as gateway:
        answer = await gateway.get(f"/api/email/{ID}", headers=bearer())
        assert (answer.status_code, answer.text) == (200, EMAIL_JSON)


async def test_a_skipped_step_has_no_timing_and_more_than_the_example_is_kept() -> None:
    metadata = {"step_timings": {"email_composer": 1, "template_parser": 2}, "later": {"a": 1}}
    message = email(template_type="general", metadata_json=json.dumps(metadata))
    async with queue_peer(GetEmail=pb.GetEmailResponse(email=message)) as peer, gateway_client(peer.address) as gateway:
        shown = (await gateway.get(f"/api/email/{ID}", headers=bearer())).json()["metadata"]
        assert list(shown["step_timings"]) == ["template_parser", "email_composer"]
        assert shown["later"] == {"a": 1}
        assert list(shown)[:10] == list(json.loads(METADATA))


async def test_an_unknown_email_has_the_words_of_the_specification() -> None:
    no = refuse(grpc.StatusCode.NOT_FOUND, "EMAIL_NOT_FOUND")
    async with queue_peer(GetEmail=no, UpdateEmail=no) as peer, gateway_client(peer.address) as gateway:
        for answer in (
            await gateway.get(f"/api/email/{ID}", headers=bearer()),
            await gateway.patch(f"/api/email/{ID}", json={"displayed": True}, headers=bearer()),
        ):
            assert answer.status_code == 404
            assert answer.json() == {"detail": "Email not found or you don't have permission to access it"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", pb.ListEmailsRequest(limit=20)),
        ("?limit=1&offset=7", pb.ListEmailsRequest(limit=1, offset=7)),
        ("?limit=100&include_discarded=true", pb.ListEmailsRequest(limit=100, include_discarded=True)),
        ("?include_discarded=false", pb.ListEmailsRequest(limit=20)),
        ("?offset=99999999999999", pb.ListEmailsRequest(limit=20, offset=2**31 - 1)),
        ("?unknown=1", pb.ListEmailsRequest(limit=20)),
    ],
)
async def test_the_list_of_emails_asks_for_the_page(query: str, expected: pb.ListEmailsRequest) -> None:
    found = pb.ListEmailsResponse(emails=[email()])
    async with queue_peer(ListEmails=found) as peer, gateway_client(peer.address) as gateway:
        answer = await gateway.get(f"/api/email/{query}", headers=bearer())
        assert (answer.status_code, answer.text) == (200, f"[{EMAIL_JSON}]")
        assert peer.received[-1].request == expected


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ("limit=0", [("limit", "greater_than_equal")]),
        ("limit=101", [("limit", "less_than_equal")]),
        ("limit=1000000000", [("limit", "less_than_equal")]),
        ("limit=x", [("limit", "int_parsing")]),
        ("limit=", [("limit", "int_parsing")]),
        ("limit=1.0", [("limit", "int_parsing")]),
        ("limit=%2B5", [("limit", "int_parsing")]),
        ("limit=%D9%A5", [("limit", "int_parsing")]),
        ("limit=" + "9" * 5000, [("limit", "int_parsing_size")]),
        ("offset=-1", [("offset", "greater_than_equal")]),
        ("offset=null", [("offset", "int_parsing")]),
        ("include_discarded=2", [("include_discarded", "bool_parsing")]),
        (
            "limit=0&offset=-1&include_discarded=maybe",
            [("limit", "greater_than_equal"), ("offset", "greater_than_equal"), ("include_discarded", "bool_parsing")],
        ),
    ],
)
async def test_a_query_out_of_bounds_is_422_and_names_the_parameter(query: str, errors: list[tuple[str, str]]) -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        answer = await gateway.get(f"/api/email?{query}", headers=bearer())
        assert answer.status_code == 422
        detail = answer.json()["detail"]
        assert [(error["loc"], error["type"]) for error in detail] == [(["query", name], kind) for name, kind in errors]
        assert all(set(error) == {"loc", "msg", "type"} for error in detail)


async def test_an_email_is_shown_or_hidden() -> None:
    changed = pb.UpdateEmailResponse(email=email(displayed=False))
    async with queue_peer(UpdateEmail=changed) as peer, gateway_client(peer.address) as gateway:
        answer = await gateway.patch(f"/api/email/{ID}", json={"displayed": False}, headers=bearer())
        assert (answer.status_code, answer.json()["displayed"]) == (200, False)
        assert peer.received[-1].request == pb.UpdateEmailRequest(id=ID, displayed=False)


async def test_an_id_goes_before_the_body_of_a_change() -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        assert (await gateway.patch("/api/email/42", content=b"{", headers=bearer())).status_code == 400
        assert (await gateway.patch(f"/api/email/{ID}", content=b"{", headers=bearer())).status_code == 422
