"""What the communication surface makes of the queue service's messages: bytes, order of keys, what is left out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.message import Message

from jobline.v1 import communication_service_pb2 as pb
from jobline_gateway.surfaces.communications import acts
from support.communications_rest import BASE, BUSINESS, PAYLOAD, at, message
from support.gateway import bearer, gateway_client, gateway_process
from support.queue_peers import Call, Context, StreamAnswer, Unending, queue_peer, refuse

MINIMAL = {"channel": "email", "recipientContact": "user@example.com", "body": "…"}
SHOWN_PAYLOAD = json.dumps(PAYLOAD, ensure_ascii=False)

PENDING = message("job-uuid-1", "comm-uuid-1", "pending", "high")
PENDING_JSON = (
    '{"id":"job-uuid-1","communicationId":"comm-uuid-1","status":"pending","priority":"high",'
    '"scheduledAt":"2025-10-26T11:00:00Z","attempts":0,"maxAttempts":3,'
    f'"payload":{SHOWN_PAYLOAD},"createdAt":"2025-10-26T10:55:00Z","updatedAt":"2025-10-26T10:55:00Z"}}'
)
COMPLETED = message(
    "job-uuid-1",
    "comm-uuid-1",
    "completed",
    "high",
    scheduled_at="2025-10-26T10:00:00Z",
    started_at="2025-10-26T10:00:15Z",
    completed_at="2025-10-26T10:00:18Z",
    attempts=1,
    created_at="2025-10-26T09:55:00Z",
    updated_at="2025-10-26T10:00:18Z",
)
COMPLETED_JSON = (
    '{"id":"job-uuid-1","communicationId":"comm-uuid-1","status":"completed","priority":"high",'
    '"scheduledAt":"2025-10-26T10:00:00Z","startedAt":"2025-10-26T10:00:15Z","completedAt":"2025-10-26T10:00:18Z",'
    f'"attempts":1,"maxAttempts":3,"payload":{SHOWN_PAYLOAD},'
    '"createdAt":"2025-10-26T09:55:00Z","updatedAt":"2025-10-26T10:00:18Z"}'
)
FAILED = message(
    "job-uuid-3",
    "comm-uuid-3",
    "failed",
    scheduled_at="2025-10-26T09:06:05Z",
    started_at="2025-10-26T09:06:20Z",
    attempts=3,
    last_error="SendGrid API error: Invalid email address",
    created_at="2025-10-26T08:55:00Z",
    updated_at="2025-10-26T09:06:21Z",
)
FAILED_JSON = (
    '{"id":"job-uuid-3","communicationId":"comm-uuid-3","status":"failed","priority":"normal",'
    '"scheduledAt":"2025-10-26T09:06:05Z","startedAt":"2025-10-26T09:06:20Z","attempts":3,"maxAttempts":3,'
    f'"lastError":"SendGrid API error: Invalid email address","payload":{SHOWN_PAYLOAD},'
    '"createdAt":"2025-10-26T08:55:00Z","updatedAt":"2025-10-26T09:06:21Z"}'
)
STATS = pb.MessageStats(
    pending=45,
    processing=5,
    completed=90,
    failed=10,
    oldest_pending=at("2025-10-26T10:30:00Z"),
    avg_processing_time_seconds=2.5,
)
STATS_JSON = (
    '{"total":150,"pending":45,"processing":5,"completed":90,"failed":10,"cancelled":0,'
    '"oldestPending":"2025-10-26T10:30:00Z","avgProcessingTimeSeconds":2.5}'
)
ENTRY = pb.OutboxEntry(
    id="5a1d",
    job_id="job-uuid-1",
    communication_id="comm-uuid-1",
    channel=pb.CHANNEL_EMAIL,
    recipient_contact="user@example.com",
    subject="Hello",
    body="…",
    attempt=1,
    sent_at=at("2025-10-26T10:00:18Z"),
)
ENTRY_JSON = (
    '{"id":"5a1d","jobId":"job-uuid-1","communicationId":"comm-uuid-1","channel":"email",'
    '"recipientContact":"user@example.com","subject":"Hello","body":"…","attempt":1,"sentAt":"2025-10-26T10:00:18Z"}'
)


def list_of(*messages: pb.Message) -> pb.ListMessagesResponse:
    return pb.ListMessagesResponse(messages=messages)


def batches(*found: list[pb.Message]) -> StreamAnswer:
    async def stream(call: Call, context: Context) -> AsyncIterator[Message]:
        for each in found:
            yield pb.ListCommunicationMessagesResponse(messages=each)

    return stream


EXAMPLES: list[tuple[str, str, str, Any, int, str]] = [
    (
        "POST",
        f"{BUSINESS}/communications",
        "SubmitMessages",
        pb.SubmitMessagesResponse(messages=[PENDING]),
        201,
        f'{{"communicationId":"comm-uuid-1","job":{PENDING_JSON}}}',
    ),
    ("GET", f"{BASE}/stats", "GetMessageStats", pb.GetMessageStatsResponse(stats=STATS), 200, STATS_JSON),
    (
        "GET",
        f"{BASE}/stats",
        "GetMessageStats",
        pb.GetMessageStatsResponse(stats=pb.MessageStats()),
        200,
        '{"total":0,"pending":0,"processing":0,"completed":0,"failed":0,"cancelled":0,'
        '"oldestPending":null,"avgProcessingTimeSeconds":null}',
    ),
    (
        "GET",
        f"{BASE}/health",
        "GetMessageHealth",
        pb.GetMessageHealthResponse(alert=True, reasons=["a", "b"], stats=STATS),
        200,
        f'{{"healthy":false,"alert":true,"reasons":["a","b"],"stats":{STATS_JSON}}}',
    ),
    ("GET", f"{BASE}/pending", "ListMessages", list_of(PENDING), 200, f"[{PENDING_JSON}]"),
    ("GET", f"{BASE}/failed", "ListMessages", list_of(FAILED), 200, f"[{FAILED_JSON}]"),
    ("GET", f"{BASE}/failed", "ListMessages", list_of(), 200, "[]"),
    ("GET", f"{BASE}/job-uuid-1", "GetMessage", pb.GetMessageResponse(message=COMPLETED), 200, COMPLETED_JSON),
    (
        "GET",
        f"{BASE}/by-communication/comm-uuid-1",
        "ListCommunicationMessages",
        batches([FAILED], [COMPLETED]),
        200,
        f"[{FAILED_JSON},{COMPLETED_JSON}]",
    ),
    (
        "POST",
        f"{BASE}/job-uuid-1/retry",
        "RetryMessage",
        pb.RetryMessageResponse(message=PENDING),
        200,
        f'{{"success":true,"message":"Job successfully queued for retry","job":{PENDING_JSON}}}',
    ),
    (
        "POST",
        f"{BASE}/job-uuid-1/cancel",
        "CancelMessage",
        pb.CancelMessageResponse(message=PENDING),
        200,
        f'{{"success":true,"message":"Job cancelled successfully","job":{PENDING_JSON}}}',
    ),
    ("DELETE", f"{BASE}/job-uuid-1", "DeleteMessage", pb.DeleteMessageResponse(), 204, ""),
    (
        "POST",
        f"{BASE}/retry-failed",
        "RetryFailedMessages",
        pb.RetryFailedMessagesResponse(count=7, sample=[FAILED]),
        200,
        f'{{"success":true,"dryRun":false,"count":7,"sample":[{FAILED_JSON}]}}',
    ),
    (
        "GET",
        f"{BUSINESS}/outbox",
        "ListOutbox",
        pb.ListOutboxResponse(entries=[ENTRY]),
        200,
        f"[{ENTRY_JSON}]",
    ),
]


@pytest.mark.parametrize(("method", "path", "call", "answer", "status", "body"), EXAMPLES)
async def test_an_answer_is_byte_for_byte_the_example_with_or_without_a_trailing_slash(
    method: str, path: str, call: str, answer: Any, status: int, body: str
) -> None:
    async with queue_peer(**{call: answer}) as peer, gateway_client(peer.address) as gateway:
        for spelling in (path, f"{path}/"):
            content = {"json": MINIMAL} if call == "SubmitMessages" else {}
            got = await gateway.request(method, spelling, headers=bearer(), **content)
            assert (got.status_code, got.text) == (status, body)
            assert got.headers.get("content-type") == ("application/json" if body else None)
            assert peer.received[-1].request.business_id == "shop-1"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("act", "call", "state", "text"),
    [
        *(("retry", "RetryMessage", s, "retried") for s in ("completed", "processing", "pending")),
        *(("cancel", "CancelMessage", s, "cancelled") for s in ("completed", "failed", "cancelled")),
    ],
)
async def test_an_act_that_the_status_does_not_allow_is_answered_without_a_job(
    act: str, call: str, state: str, text: str
) -> None:
    no = refuse(grpc.StatusCode.FAILED_PRECONDITION, "ILLEGAL_TRANSITION", state=state)
    async with queue_peer(**{call: no}) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.post(f"{BASE}/job-uuid-3/{act}", headers=bearer())
        assert got.status_code == 200
        said = f"Job job-uuid-3 cannot be {text} (current status: {state})"
        assert got.text == f'{{"success":false,"message":"{said}"}}'
        assert peer.calls(call) == 1


@pytest.mark.parametrize(
    ("mean", "shown"),
    [(0.0, "0.0"), (2.0004, "2.0"), (2.0005001, "2.001"), (1 / 3, "0.333"), (86400.1239, "86400.124")],
)
async def test_the_mean_has_at_most_three_decimals(mean: float, shown: str) -> None:
    found = pb.GetMessageStatsResponse(stats=pb.MessageStats(avg_processing_time_seconds=mean))
    async with queue_peer(GetMessageStats=found) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.get(f"{BASE}/stats", headers=bearer())
        assert got.text.endswith(f'"avgProcessingTimeSeconds":{shown}}}')


async def test_a_payload_passes_through_as_text_and_times_have_microseconds_where_there_are_any() -> None:
    odd = '{"channel":"sms",  "recipientContact":"\\u00e9\\"","templateVariables":{"b":1.50,"a":true}}'
    found = message("x", "y", "pending", payload=odd, scheduled_at="2025-10-26T11:00:00.000001Z")
    async with (
        queue_peer(GetMessage=pb.GetMessageResponse(message=found)) as peer,
        gateway_client(peer.address) as gateway,
    ):
        got = await gateway.get(f"{BASE}/x", headers=bearer())
        assert got.json()["payload"] == odd
        assert got.json()["scheduledAt"] == "2025-10-26T11:00:00.000001Z"


async def test_an_outbox_entry_without_a_subject_has_no_such_key() -> None:
    entry = pb.OutboxEntry()
    entry.CopyFrom(ENTRY)
    entry.ClearField("subject")
    async with (
        queue_peer(ListOutbox=pb.ListOutboxResponse(entries=[entry])) as peer,
        gateway_client(peer.address) as gateway,
    ):
        [shown] = (await gateway.get(f"{BUSINESS}/outbox", headers=bearer())).json()
        assert list(shown) == [key for key in json.loads(ENTRY_JSON) if key != "subject"]


@pytest.mark.parametrize(
    "found", [[], [[]], [[], []], [[FAILED]], [[], [FAILED]], [[FAILED, FAILED], [], [FAILED], []]]
)
async def test_a_communication_is_one_array_however_its_batches_are_cut(found: list[list[pb.Message]]) -> None:
    async with (
        queue_peer(ListCommunicationMessages=batches(*found)) as peer,
        gateway_client(peer.address) as gateway,
    ):
        got = await gateway.get(f"{BASE}/by-communication/c", headers=bearer())
        assert got.text == f"[{','.join([FAILED_JSON] * sum(map(len, found)))}]"


async def test_a_communication_that_breaks_half_way_does_not_look_complete(tmp_path: Path) -> None:
    async def stream(call: Call, context: Context) -> AsyncIterator[Message]:
        yield pb.ListCommunicationMessagesResponse(messages=[FAILED])
        await refuse(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")(call, context)

    async with queue_peer(ListCommunicationMessages=stream) as peer:
        with gateway_process(tmp_path, JOBLINE_QUEUE_ADDRESS=peer.address) as (_, url):
            async with httpx.AsyncClient(trust_env=False) as client:
                with pytest.raises(httpx.RemoteProtocolError):
                    await client.get(f"{url}{BASE}/by-communication/c", headers=bearer())


async def test_a_message_of_no_known_status_is_an_unexpected_fault() -> None:
    nonsense = pb.GetMessageResponse(message=pb.Message(id="secret-internal-word"))
    async with queue_peer(GetMessage=nonsense) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.get(f"{BASE}/x", headers=bearer())
        assert got.text == '{"statusCode":500,"message":"Internal server error","error":"Internal Server Error"}'


async def test_a_dry_run_says_so_and_may_be_repeated_but_a_real_one_is_made_once() -> None:
    away = refuse(grpc.StatusCode.UNAVAILABLE)
    async with queue_peer(RetryFailedMessages=away) as peer, gateway_client(peer.address) as gateway:
        for dry_run, calls in ((False, 1), (True, 3)):
            got = await gateway.post(f"{BASE}/retry-failed", headers=bearer(), json={"dryRun": dry_run})
            assert (got.status_code, peer.calls("RetryFailedMessages")) == (503, calls)


async def test_a_bulk_retry_may_take_minutes() -> None:
    async def work(call: Call, context: Context) -> Message:
        return pb.RetryFailedMessagesResponse(count=round(context.time_remaining()))

    async with queue_peer(RetryFailedMessages=work) as peer, gateway_client(peer.address) as gateway:
        seconds = (await gateway.post(f"{BASE}/retry-failed", headers=bearer())).json()["count"]
        assert seconds == pytest.approx(acts.RETRY_DEADLINE, abs=5)


async def test_a_bulk_retry_ends_when_the_user_hangs_up(tmp_path: Path) -> None:
    work = Unending()
    async with queue_peer(RetryFailedMessages=work) as peer:
        with gateway_process(tmp_path, JOBLINE_QUEUE_ADDRESS=peer.address) as (_, url):
            async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
                await work.ends_with(client.post(f"{BASE}/retry-failed", headers=bearer(), timeout=None))
