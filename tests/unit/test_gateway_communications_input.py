"""A new message as the communication surface reads it: the bounds of every field, their order and words."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from jobline.v1 import communication_service_pb2 as pb
from support.communications_rest import BUSINESS, at, envelope, message
from support.gateway import bearer, gateway_client
from support.queue_peers import QueuePeer, queue_peer

STORED = pb.SubmitMessagesResponse(messages=[message("job-1", "comm-1", "pending")])
GOOD: dict[str, Any] = {"channel": "email", "recipientContact": "user@example.com", "body": "Hi"}
A_TIME = "must be a timestamp with offset, such as 2025-10-26T11:00:00Z"
NO_VARIABLES = "templateVariables must be an object of strings, numbers and booleans"


async def submit(peer: QueuePeer, content: bytes) -> httpx.Response:
    async with gateway_client(peer.address) as gateway:
        return await gateway.post(f"{BUSINESS}/communications", content=content, headers=bearer())


def ascii_json(body: Any) -> bytes:
    """JSON with every other character escaped, so that it may hold a lone surrogate."""
    return json.dumps(body).encode("ascii")


BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"channel": None}, "channel must be one of email, sms, whatsapp, messenger"),
    ({"channel": "fax"}, "channel must be one of email, sms, whatsapp, messenger"),
    ({"channel": "Email"}, "channel must be one of email, sms, whatsapp, messenger"),
    ({"channel": ["email"]}, "channel must be one of email, sms, whatsapp, messenger"),
    ({"channel": {}}, "channel must be one of email, sms, whatsapp, messenger"),
    ({"recipientContact": None}, "recipientContact must be given"),
    ({"recipientContact": 491701234567}, "recipientContact must be a string"),
    ({"recipientContact": ""}, "recipientContact must have 1 to 320 characters"),
    ({"recipientContact": "@" * 321}, "recipientContact must have 1 to 320 characters"),
    ({"recipientContact": " \t\u00a0"}, "recipientContact must not be blank"),
    ({"recipientContact": "a@b\0"}, "recipientContact must not contain NUL characters"),
    ({"recipientContact": "a@\ud800"}, "recipientContact must not contain half a surrogate pair"),
    *(
        ({"recipientContact": contact}, "recipientContact must have text on both sides of one @")
        for contact in ("user", "@", "user@", "@example.com", " @b", "a@ ", "a@b@c", "a@@b")
    ),
    ({"subject": ""}, "subject must have 1 to 255 characters"),
    ({"subject": "😀" * 256}, "subject must have 1 to 255 characters"),
    ({"subject": 1}, "subject must be a string"),
    ({"body": None}, "body must be given where there is no templateId"),
    ({"body": None, "priority": "urgent"}, "body must be given where there is no templateId"),
    ({"body": ""}, "body must have 1 to 10000 characters"),
    ({"body": "x" * 10_001}, "body must have 1 to 10000 characters"),
    ({"body": "x" * 10_001, "templateId": "notice"}, "body must have 1 to 10000 characters"),
    ({"body": ["Hi"]}, "body must be a string"),
    ({"templateId": ""}, "templateId must have 1 to 255 characters"),
    ({"templateId": 7}, "templateId must be a string"),
    ({"templateVariables": []}, NO_VARIABLES),
    ({"templateVariables": "{}"}, NO_VARIABLES),
    ({"templateVariables": {"a": None}}, NO_VARIABLES),
    ({"templateVariables": {"a": {}}}, NO_VARIABLES),
    ({"templateVariables": {"a": "\0"}}, "templateVariables must not contain NUL characters"),
    ({"templateVariables": {"\udfff": "a"}}, "templateVariables must not contain half a surrogate pair"),
    ({"priority": "urgent"}, "priority must be one of high, normal, low"),
    ({"priority": 10}, "priority must be one of high, normal, low"),
    *(
        ({"scheduledAt": value}, f"scheduledAt {A_TIME}")
        for value in (
            "",
            "tomorrow",
            "2025-10-26",
            "2025-10-26T11:00:00",
            "2025-10-26 11:00:00Z",
            "2025-10-26T11:00Z",
            "2025-10-26T11:00:60Z",
            "2025-12-31T23:59:60Z",
            "2025-10-26T24:00:00Z",
            "2025-02-30T11:00:00Z",
            "0000-01-01T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "9999-12-31T23:59:59-00:01",
            "0001-01-01T00:00:00+00:01",
            "2025-10-26T11:00:00+24:00",
            "2025-10-26T11:00:00+0200",
            "2025-10-26T11:00:00.Z",
            "2025-10-26T11:00:00 02:00",
            "٢٠٢٥-10-26T11:00:00Z",
            "2025-10-26T11:00:00Z\n",
            1761476400,
            True,
        )
    ),
    *(
        ({"maxAttempts": value}, "maxAttempts must be an integer from 1 to 10")
        for value in (0, 11, -1, True, 1.0, "3", [3], 10**40)
    ),
    ({"communicationId": ""}, "communicationId must have 1 to 255 characters"),
    ({"communicationId": "x" * 256}, "communicationId must have 1 to 255 characters"),
    ({"communicationId": 5}, "communicationId must be a string"),
]


@pytest.mark.parametrize(("changes", "text"), BAD_FIELDS)
async def test_a_bad_field_is_named_with_what_it_must_be_and_nothing_is_submitted(
    changes: dict[str, Any], text: str
) -> None:
    async with queue_peer(SubmitMessages=STORED, Authorize=pb.AuthorizeResponse()) as peer:
        got = await submit(peer, ascii_json({**GOOD, **changes}))
        assert (got.status_code, got.json()) == (400, envelope(400, text))
        assert peer.calls("SubmitMessages") == 0
        assert peer.received[-1].request == pb.AuthorizeRequest(business_id="shop-1", action=pb.ACTION_CREATE)


async def test_the_first_bad_field_in_the_order_of_the_specification_answers_whatever_the_order_of_the_keys() -> None:
    broken = {
        "channel": "fax",
        "recipientContact": " ",
        "subject": "",
        "body": "",
        "templateId": "",
        "templateVariables": [],
        "priority": "urgent",
        "scheduledAt": "now",
        "maxAttempts": 0,
        "communicationId": "",
    }
    async with queue_peer(SubmitMessages=STORED, Authorize=pb.AuthorizeResponse()) as peer:
        for name in list(broken):
            got = await submit(peer, ascii_json({**GOOD, **dict(reversed(broken.items()))}))
            assert got.json()["message"].split()[0] == name
            del broken[name]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "Request body is not valid JSON"),
        (b"{", "Request body is not valid JSON"),
        (b"\xff", "Request body is not valid JSON"),
        (b'{"templateVariables":{"a":NaN}}', "Request body is not valid JSON"),
        (b'{"templateVariables":{"a":-Infinity}}', "Request body is not valid JSON"),
        (b'{"maxAttempts":' + b"1" * 5000 + b"}", "Request body is not valid JSON"),
        (b"[" * 100_000, "Request body is not valid JSON"),
        (b"[]", "Request body must be a JSON object"),
        (b"null", "Request body must be a JSON object"),
        (b'"email"', "Request body must be a JSON object"),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(content: bytes, text: str) -> None:
    async with queue_peer(Authorize=pb.AuthorizeResponse()) as peer:
        got = await submit(peer, content)
        assert (got.status_code, got.json()) == (400, envelope(400, text))


async def test_a_number_that_is_too_large_for_a_number_is_no_variable() -> None:
    async with queue_peer(Authorize=pb.AuthorizeResponse()) as peer:
        got = await submit(peer, b'{"channel":"sms","recipientContact":"1","body":"x","templateVariables":{"a":1e999}}')
        assert got.json() == envelope(400, NO_VARIABLES)


async def submitted(body: Any) -> pb.NewMessage:
    async with queue_peer(SubmitMessages=STORED) as peer:
        got = await submit(peer, body if isinstance(body, bytes) else ascii_json(body))
        assert got.status_code == 201, got.text
        request = peer.received[-1].request
        assert isinstance(request, pb.SubmitMessagesRequest)
        assert (request.business_id, len(request.messages), len(request.request_id)) == ("shop-1", 1, 36)
        return request.messages[0]


async def test_what_is_left_out_or_null_is_left_to_the_queue_service() -> None:
    plain = pb.NewMessage(
        channel=pb.CHANNEL_EMAIL,
        recipient_contact="user@example.com",
        body="Hi",
        priority=pb.MESSAGE_PRIORITY_NORMAL,
    )
    nulls = ("subject", "templateId", "templateVariables", "priority", "scheduledAt", "maxAttempts", "communicationId")
    assert await submitted(GOOD) == plain
    assert await submitted({**GOOD, **dict.fromkeys(nulls), "unknown": [1], "recipient_contact": "x"}) == plain


async def test_every_field_arrives_as_given() -> None:
    body = {
        "channel": "whatsapp",
        "recipientContact": " +49 170 1234567 ",
        "subject": " Hé😀\n",
        "body": "b" * 10_000,
        "templateId": "notice",
        "priority": "low",
        "scheduledAt": "2025-10-26T12:00:00.123456+02:00",
        "maxAttempts": 10,
        "communicationId": "order/17 😀",
    }
    assert await submitted(body) == pb.NewMessage(
        channel=pb.CHANNEL_WHATSAPP,
        recipient_contact=" +49 170 1234567 ",
        subject=" Hé😀\n",
        body="b" * 10_000,
        template_id="notice",
        priority=pb.MESSAGE_PRIORITY_LOW,
        scheduled_at=at("2025-10-26T10:00:00.123456Z"),
        max_attempts=10,
        communication_id="order/17 😀",
    )


async def test_variables_keep_their_order_and_the_spelling_of_their_numbers() -> None:
    content = (
        b'{"channel":"sms","recipientContact":"1","templateId":"notice","templateVariables":'
        b'{ "price": 1.50, "b" : true,"a":"\\u00e9\\"", "n":1E3, "z":-0.0, "i":12345678901234567890, "": 0 }}'
    )
    new = await submitted(content)
    assert new.template_variables_json == (
        '{"price":1.50,"b":true,"a":"é\\"","n":1E3,"z":-0.0,"i":12345678901234567890,"":0}'
    )


async def test_an_empty_object_of_variables_is_not_the_same_as_none() -> None:
    assert (await submitted({**GOOD, "templateVariables": {}})).template_variables_json == "{}"
    assert (await submitted(GOOD)).template_variables_json == ""


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2025-10-26T11:00:00Z", "2025-10-26T11:00:00Z"),
        ("2025-10-26t11:00:00z", "2025-10-26T11:00:00Z"),
        ("2025-10-26T11:00:00.5-00:00", "2025-10-26T11:00:00.5Z"),
        ("2025-10-26T11:00:00.1234569Z", "2025-10-26T11:00:00.123456Z"),
        ("2025-10-26T11:00:00+23:59", "2025-10-25T11:01:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
    ],
)
async def test_a_time_with_an_offset_is_an_instant_to_the_microsecond(text: str, instant: str) -> None:
    assert (await submitted({**GOOD, "scheduledAt": text})).scheduled_at == at(instant)


@pytest.mark.parametrize("contact", ["user", "@", "a@b@c", "+4917012345", "x" * 320])
async def test_only_an_email_needs_an_at_sign(contact: str) -> None:
    new = await submitted({**GOOD, "channel": "messenger", "recipientContact": contact})
    assert new.recipient_contact == contact
