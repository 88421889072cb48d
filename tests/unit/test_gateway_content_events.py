"""A job's events: the form that `EventSource` reads, how a stream begins, how it goes on, and every way it ends."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.message import Message

from jobline.v1 import account_service_pb2 as accounts
from jobline.v1 import content_service_pb2 as pb
from jobline_gateway.surfaces.content import events
from jobline_local.ports import free_port
from support.gateway import gateway_client, gateway_process
from support.jobs_rest import ANALYSIS_RESULT, JOB_ID, at, content_job, job_path
from support.queue_peers import Call, Context, StreamAnswer, queue_peer, refuse

PATH = job_path("events")
SESSION = {"x-session-id": "s-1"}
QUEUED = content_job("queued", updated_at=at("2026-01-20T09:00:00Z"))
RUNNING = content_job("running", progress=37, current_step="Generating audiences…", estimated_seconds_remaining=20)
DONE = content_job("succeeded", result=ANALYSIS_RESULT, progress=100, updated_at=at("2026-01-20T09:00:30.5Z"))


def watched(*jobs: pb.ContentJob, then: Callable[[Call, Context], Awaitable[Any]] | None = None) -> StreamAnswer:
    """A watch that tells of these states, and then does what the test says."""

    async def stream(call: Call, context: Context) -> AsyncIterator[Message]:
        for job in jobs:
            yield pb.WatchContentJobResponse(job=job)
        if then is not None:
            await then(call, context)

    return stream


def parsed(text: str) -> list[dict[str, str]]:
    """The events in a stream, by the rules of the HTML standard as far as they are needed here."""
    found = []
    for block in text.split("\n\n"):
        lines = [line.partition(": ") for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            found.append({name: value for name, _, value in lines})
    return found


async def test_each_state_is_an_event_and_the_stream_ends_with_the_job() -> None:
    async with (
        queue_peer(WatchContentJob=watched(QUEUED, RUNNING, DONE)) as peer,
        gateway_client(peer.address) as gateway,
    ):
        got = await gateway.get(PATH, headers=SESSION)
    assert (got.status_code, got.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert (got.headers["cache-control"], got.headers["x-accel-buffering"]) == ("no-store", "no")
    assert peer.received[-1].request == pb.WatchContentJobRequest(id=JOB_ID)
    first, second, last = parsed(got.text)
    assert (first["event"], first["id"], first["retry"]) == ("status", "2026-01-20T09:00:00Z", "2000")
    assert (second["event"], second["id"], "retry" in second) == ("status", "2026-01-20T09:00:12Z", False)
    assert last["id"] == "2026-01-20T09:00:30.500Z"
    states = [json.loads(event["data"]) for event in (first, second, last)]
    assert [state["status"] for state in states] == ["queued", "running", "succeeded"]


@pytest.mark.parametrize("job", [QUEUED, RUNNING, DONE], ids=["queued", "running", "succeeded"])
async def test_the_data_of_an_event_is_what_the_status_answers(job: pb.ContentJob) -> None:
    answers: dict[str, Any] = {"WatchContentJob": watched(job), "GetContentJob": pb.GetContentJobResponse(job=job)}
    async with queue_peer(**answers) as peer, gateway_client(peer.address) as gateway:
        [event] = parsed((await gateway.get(PATH, headers=SESSION)).text)
        assert event["data"] == (await gateway.get(job_path("status"), headers=SESSION)).text


async def test_a_browser_names_its_session_in_the_query() -> None:
    async with queue_peer(WatchContentJob=watched(DONE)) as peer, gateway_client(peer.address) as gateway:
        assert (await gateway.get(f"{PATH}?sessionId=s-1")).status_code == 200
        sent = accounts.Caller.FromString(peer.received[-1].metadata["jobline-caller-bin"])
        assert sent == accounts.Caller(session="s-1")


async def test_who_has_seen_the_end_and_comes_back_is_told_to_stop() -> None:
    async with queue_peer(WatchContentJob=watched(DONE)) as peer, gateway_client(peer.address) as gateway:
        [event] = parsed((await gateway.get(PATH, headers=SESSION)).text)
        got = await gateway.get(PATH, headers={**SESSION, "last-event-id": event["id"]})
        assert (got.status_code, got.content) == (204, b"")
        # An event of the time before says nothing of the end.
        got = await gateway.get(PATH, headers={**SESSION, "last-event-id": "2026-01-20T09:00:12Z"})
        assert (got.status_code, parsed(got.text)) == (200, [event])


async def test_who_comes_back_while_the_job_runs_goes_on_watching() -> None:
    async with queue_peer(WatchContentJob=watched(RUNNING, DONE)) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.get(PATH, headers={**SESSION, "last-event-id": "2026-01-20T09:00:12Z"})
        assert [event["id"] for event in parsed(got.text)] == ["2026-01-20T09:00:12Z", "2026-01-20T09:00:30.500Z"]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (grpc.StatusCode.UNAVAILABLE, "NOT_ACTIVE"),
        (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, ""),
    ],
)
async def test_a_stream_that_breaks_behind_the_gateway_just_ends(status: grpc.StatusCode, reason: str) -> None:
    broken = watched(RUNNING, then=refuse(status, reason))
    async with queue_peer(WatchContentJob=broken) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.get(PATH, headers=SESSION)
        assert (got.status_code, len(parsed(got.text))) == (200, 1)
        assert peer.calls("WatchContentJob") == 1


async def test_a_standby_is_passed_over() -> None:
    standby = watched(then=refuse(grpc.StatusCode.UNAVAILABLE, "NOT_ACTIVE"))
    async with (
        queue_peer(WatchContentJob=standby) as first,
        queue_peer(WatchContentJob=watched(DONE)) as second,
        gateway_client(first.address, second.address) as gateway,
    ):
        assert len(parsed((await gateway.get(PATH, headers=SESSION)).text)) == 1


async def test_events_arrive_as_they_happen_with_comments_in_between(tmp_path: Path, monkeypatch: Any) -> None:
    """In one process, so that the pause between comments can be short; what is sent is looked at piece by piece."""
    monkeypatch.setattr(events, "KEEP_ALIVE", 0.01)
    commented, sent = asyncio.Event(), bytearray()

    async def wait(call: Call, context: Context) -> None:
        await commented.wait()

    async def send(message: Any) -> None:
        sent.extend(message.get("body", b""))
        if b": ping" in sent:
            commented.set()

    async with queue_peer(WatchContentJob=watched(RUNNING, then=wait)) as peer, gateway_client(peer.address) as gateway:
        app: Any = gateway._transport.app  # type: ignore[attr-defined]
        scope = {
            "type": "http",
            "method": "GET",
            "path": PATH,
            "raw_path": PATH.encode(),
            "query_string": b"sessionId=s-1",
            "headers": [],
            "scheme": "http",
            "server": ("gateway.test", 80),
        }
        async with asyncio.timeout(10):
            await app(scope, still_connected(), send)
    assert sent.startswith(b"id: ")
    assert sent.index(b"data: ") < sent.index(b": ping")


def still_connected() -> Callable[[], Awaitable[Any]]:
    """A client that has asked and now listens."""
    asked = False

    async def receive() -> Any:
        nonlocal asked
        if asked:
            await asyncio.Event().wait()
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    return receive


# ---- over real connections ------------------------------------------------------------------------------------------


@asynccontextmanager
async def streaming(url: str) -> AsyncIterator[AsyncIterator[str]]:
    """The lines of a stream from the gateway at `url`."""
    async with (
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as client,
        client.stream("GET", PATH, headers=SESSION) as got,
    ):
        assert got.status_code == 200
        yield got.aiter_lines()


async def next_data(lines: AsyncIterator[str]) -> dict[str, Any]:
    """The data of the next event."""
    async for line in lines:
        if line.startswith("data: "):
            data: dict[str, Any] = json.loads(line.removeprefix("data: "))
            return data
    raise AssertionError("the stream has ended")


async def test_an_event_arrives_when_it_happens_and_a_client_that_hangs_up_ends_the_watch(tmp_path: Path) -> None:
    go_on, ended = asyncio.Event(), asyncio.Event()

    async def stream(call: Call, context: Context) -> AsyncIterator[Message]:
        try:
            yield pb.WatchContentJobResponse(job=QUEUED)
            await go_on.wait()
            yield pb.WatchContentJobResponse(job=RUNNING)
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with queue_peer(WatchContentJob=stream) as peer:
        with gateway_process(tmp_path, JOBLINE_QUEUE_ADDRESS=peer.address) as (process, url):
            async with streaming(url) as lines:
                assert (await next_data(lines))["status"] == "queued"
                go_on.set()
                assert (await next_data(lines))["status"] == "running"
                assert not ended.is_set()
            await asyncio.wait_for(ended.wait(), 10)
            assert process.returncode is None


async def test_the_stream_ends_cleanly_when_either_service_behind_it_stops(tmp_path: Path) -> None:
    """First the queue service in the middle of a watch, then, before another one, the gateway itself."""
    forever = watched(RUNNING, then=lambda call, context: asyncio.Event().wait())
    port = free_port()
    with gateway_process(tmp_path, JOBLINE_QUEUE_ADDRESS=f"127.0.0.1:{port}") as (process, url):
        async with AsyncExitStack() as running:
            await running.enter_async_context(queue_peer(port, WatchContentJob=forever))
            async with streaming(url) as lines:
                assert (await next_data(lines))["progress"] == 37
                await running.aclose()
                # No error of the transport: the last chunk says that it was the last.
                assert [line async for line in lines if line.startswith("data")] == []
        async with queue_peer(port, WatchContentJob=forever), streaming(url) as lines:
            assert (await next_data(lines))["progress"] == 37
            process.send(signal.SIGTERM)
            assert [line async for line in lines if line.startswith("data")] == []
            assert await asyncio.to_thread(process.wait, 10) == 0
    assert " ERROR " not in process.errors.read_text()
