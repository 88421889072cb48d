"""The CSV export: its columns, cells that spreadsheets must not run, and how the stream begins and ends."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import httpx
import pytest
from google.protobuf.message import Message

from jobline.v1 import communication_service_pb2 as pb
from support.communications_rest import BASE, message
from support.gateway import bearer, gateway_client, gateway_process
from support.queue_peers import Call, Context, StreamAnswer, queue_peer, refuse

PATH = f"{BASE}/export.csv"
HEADER = (
    "id,communicationId,status,priority,channel,recipientContact,subject,scheduledAt,startedAt,completedAt,attempts,"
    "maxAttempts,lastError,createdAt,updatedAt\r\n"
)


def batches(*found: list[pb.Message]) -> StreamAnswer:
    async def stream(call: Call, context: Context) -> AsyncIterator[Message]:
        for each in found:
            yield pb.ExportMessagesResponse(messages=each)

    return stream


async def exported(*found: list[pb.Message], query: str = "") -> tuple[httpx.Response, Message]:
    async with queue_peer(ExportMessages=batches(*found)) as peer, gateway_client(peer.address) as gateway:
        return await gateway.get(f"{PATH}{query}", headers=bearer()), peer.received[-1].request


def payload(contact: str, **more: str) -> str:
    return json.dumps({"channel": "email", "recipientContact": contact, **more})


async def test_a_job_is_one_row_and_an_absent_value_an_empty_cell() -> None:
    done = message(
        "job-1",
        "comm-1",
        "completed",
        "high",
        scheduled_at="2025-10-26T10:00:00Z",
        started_at="2025-10-26T10:00:15.25Z",
        completed_at="2025-10-26T10:00:18Z",
        attempts=1,
    )
    waiting = message("job-2", "comm-1", "pending", "low", payload='{"channel":"sms","recipientContact":"0170"}')
    got, _ = await exported([done], [waiting])
    assert got.status_code == 200
    assert got.headers["content-type"] == "text/csv; charset=utf-8"
    assert got.headers["content-disposition"] == 'attachment; filename="communication-queue.csv"'
    assert got.text == (
        f"{HEADER}"
        "job-1,comm-1,completed,high,email,user@example.com,Hello,2025-10-26T10:00:00Z,2025-10-26T10:00:15.250000Z,"
        "2025-10-26T10:00:18Z,1,3,,2025-10-26T10:55:00Z,2025-10-26T10:55:00Z\r\n"
        "job-2,comm-1,pending,low,sms,0170,,2025-10-26T11:00:00Z,,,0,3,,2025-10-26T10:55:00Z,2025-10-26T10:55:00Z\r\n"
    )


@pytest.mark.parametrize("found", [[], [[]]])
async def test_an_export_of_nothing_is_the_header_alone(found: list[list[pb.Message]]) -> None:
    got, _ = await exported(*found)
    assert (got.status_code, got.text) == (200, HEADER)


async def test_without_a_filter_every_status_is_exported() -> None:
    _, request = await exported()
    assert request == pb.ExportMessagesRequest(business_id="shop-1", filter=pb.MessageFilter())
    _, request = await exported(query="?status=failed,cancelled&channel=sms&limit=0&cursor=")
    assert request == pb.ExportMessagesRequest(
        business_id="shop-1",
        filter=pb.MessageFilter(
            statuses=[pb.MESSAGE_STATUS_FAILED, pb.MESSAGE_STATUS_CANCELLED], channel=pb.CHANNEL_SMS
        ),
    )


DANGEROUS = [
    "=1+1",
    "+49170",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    '=HYPERLINK("http://evil.example","x")',
    "=",
    "-",
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20SUM(A1)",
]
HARMLESS = ["", "a=1", " =1", "'=1", 'say "hi"', "a,b", "two\nlines", "two\r\nlines", "é😀", "\u202e=1", "0170"]


async def test_no_cell_begins_like_a_formula_and_everything_else_reads_back_as_it_was() -> None:
    texts = [*DANGEROUS, *HARMLESS]
    jobs = [
        message(f"job-{number}", text or "c", "failed", last_error=text, payload=payload(text, subject=text))
        for number, text in enumerate(texts)
    ]
    got, _ = await exported(jobs)
    rows = list(csv.DictReader(io.StringIO(got.text, newline="")))
    assert len(rows) == len(texts)
    for row, text in zip(rows, texts, strict=True):
        safe = f"'{text}" if text in DANGEROUS else text
        assert [row["recipientContact"], row["subject"], row["lastError"]] == [safe] * 3
        assert row["communicationId"] == (safe or "c")
    cells = [cell for row in csv.reader(io.StringIO(got.text, newline="")) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]


async def test_the_client_reads_the_first_rows_while_the_last_are_not_there_yet(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def stream(call: Call, context: Context) -> AsyncIterator[Message]:
        yield pb.ExportMessagesResponse(messages=[message("first", "c", "pending")])
        await go_on.wait()
        yield pb.ExportMessagesResponse(messages=[message("last", "c", "pending")])

    async with queue_peer(ExportMessages=stream) as peer:
        with gateway_process(tmp_path, JOBLINE_QUEUE_ADDRESS=peer.address) as (_, url):
            async with (
                httpx.AsyncClient(trust_env=False) as client,
                client.stream("GET", url + PATH, headers=bearer()) as got,
            ):
                lines = got.aiter_lines()
                assert (await anext(lines)) + "\r\n" == HEADER
                assert (await anext(lines)).startswith("first,")
                go_on.set()
                assert (await anext(lines)).startswith("last,")


async def test_a_client_that_hangs_up_ends_the_export(tmp_path: Path) -> None:
    sent, ended = 0, asyncio.Event()

    async def stream(call: Call, context: Context) -> AsyncIterator[Message]:
        nonlocal sent
        batch = pb.ExportMessagesResponse(messages=[message("x" * 36, "c", "pending")] * 500)
        try:
            while True:
                yield batch
                sent += 1
        finally:
            ended.set()

    async with queue_peer(ExportMessages=stream) as peer:
        with gateway_process(tmp_path, JOBLINE_QUEUE_ADDRESS=peer.address) as (gateway, url):
            async with (
                httpx.AsyncClient(trust_env=False) as client,
                client.stream("GET", url + PATH, headers=bearer()) as got,
            ):
                assert got.status_code == 200
                await anext(got.aiter_bytes())
            await asyncio.wait_for(ended.wait(), 10)
            assert gateway.returncode is None


async def test_a_client_that_does_not_read_holds_the_export_back_and_costs_no_memory(tmp_path: Path) -> None:
    sent = 0

    async def stream(call: Call, context: Context) -> AsyncIterator[Message]:
        nonlocal sent
        batch = pb.ExportMessagesResponse(
            messages=[message("x" * 36, "c", "pending", payload=payload("x" * 300))] * 500
        )
        while True:
            yield batch
            sent += 1

    async def is_held_back() -> bool:
        before = sent
        await asyncio.sleep(0.5)
        return sent == before

    async with queue_peer(ExportMessages=stream) as peer:
        with gateway_process(tmp_path, JOBLINE_QUEUE_ADDRESS=peer.address) as (gateway, url):
            async with (
                httpx.AsyncClient(trust_env=False) as client,
                client.stream("GET", url + PATH, headers=bearer()) as got,
            ):
                await anext(got.aiter_bytes())
                async with asyncio.timeout(20):
                    while not await is_held_back():
                        pass
                assert gateway.family()[0].memory_info().rss < 250 * 1024 * 1024


async def test_an_export_that_breaks_half_way_does_not_look_complete(tmp_path: Path) -> None:
    async def stream(call: Call, context: Context) -> AsyncIterator[Message]:
        yield pb.ExportMessagesResponse(messages=[message("first", "c", "pending")])
        await refuse(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")(call, context)

    async with queue_peer(ExportMessages=stream) as peer:
        with gateway_process(tmp_path, JOBLINE_QUEUE_ADDRESS=peer.address) as (_, url):
            async with httpx.AsyncClient(trust_env=False) as client:
                with pytest.raises(httpx.RemoteProtocolError):
                    await client.get(url + PATH, headers=bearer())
                assert (await client.get(url + "/health")).status_code == 200


async def test_a_standby_is_passed_over() -> None:
    async def stream(call: Call, context: Context) -> AsyncIterator[Message]:
        yield await refuse(grpc.StatusCode.UNAVAILABLE, "NOT_ACTIVE")(call, context)

    async with (
        queue_peer(ExportMessages=stream) as standby,
        queue_peer(ExportMessages=batches([message("job-1", "c", "pending")])) as active,
        gateway_client(standby.address, active.address) as gateway,
    ):
        got = await gateway.get(PATH, headers=bearer())
        assert (got.status_code, got.text.count("\r\n")) == (200, 2)
