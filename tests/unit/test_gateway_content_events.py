"""A job's events: the form that `EventSource` reads, how a stream begins, how it goes on, and every way it ends."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from jobline.v1 import account_service_pb2 as accounts
from jobline.v1 import content_service_pb2 as pb
from jobline.v1 import job_pb2
from jobline_gateway import event_stream
from support.event_source import EventSource, listening, parsed
from support.eventually import eventually
from support.gateway import gateway_client, gateway_process
from support.jobs_rest import ANALYSIS_RESULT, JOB_ID, at, content_job, job_path
from support.queue_peers import queue_peer, refuse
from support.watched_peer import WatchedPeer

PATH = job_path("events")
SESSION = {"x-session-id": "s-1"}
QUEUED = content_job("queued", updated_at=at("2026-01-20T09:00:00Z"))
RUNNING = content_job("running", progress=37, current_step="Generating audiences…", estimated_seconds_remaining=20)
DONE = content_job("succeeded", result=ANALYSIS_RESULT, progress=100, updated_at=at("2026-01-20T09:00:30.5Z"))


def answering(job: pb.ContentJob) -> dict[str, Any]:
    return WatchedPeer(job).answers


async def test_a_job_that_has_ended_is_one_event_and_the_end() -> None:
    async with queue_peer(**answering(DONE)) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.get(PATH, headers=SESSION)
        status = await gateway.get(job_path("status"), headers=SESSION)
        assert peer.calls("WatchJobs") == 0
    assert (got.status_code, got.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert (got.headers["cache-control"], got.headers["x-accel-buffering"]) == ("no-store", "no")
    retry, event = parsed(got.text)
    assert retry == {"retry": "2000"}
    assert event == {"event": "status", "id": "2026-01-20T09:00:30.500Z", "data": status.text}


async def test_a_browser_names_its_session_in_the_query() -> None:
    async with queue_peer(**answering(DONE)) as peer, gateway_client(peer.address) as gateway:
        assert (await gateway.get(f"{PATH}?sessionId=s-1")).status_code == 200
        sent = accounts.Caller.FromString(peer.received[-1].metadata["jobline-caller-bin"])
        assert sent == accounts.Caller(session="s-1")


async def test_who_has_seen_the_end_and_comes_back_is_told_to_stop() -> None:
    async with queue_peer(**answering(DONE)) as peer, gateway_client(peer.address) as gateway:
        [_, event] = parsed((await gateway.get(PATH, headers=SESSION)).text)
        got = await gateway.get(PATH, headers={**SESSION, "last-event-id": event["id"]})
        assert (got.status_code, got.content) == (204, b"")
        # An event of the time before says nothing of the end.
        got = await gateway.get(PATH, headers={**SESSION, "last-event-id": "2026-01-20T09:00:12Z"})
        assert (got.status_code, parsed(got.text)[1]) == (200, event)


async def test_a_stream_begins_with_the_present_state_whatever_was_seen_last() -> None:
    """Also where it is the id of a change that the hub knows."""
    world = WatchedPeer(RUNNING)
    async with queue_peer(**world.answers) as peer, gateway_client(peer.address) as gateway:
        asking = asyncio.create_task(gateway.get(PATH, headers={**SESSION, "last-event-id": world.last_id}))
        await eventually(lambda: peer.calls("GetContentJob") >= 3, what="the row is read again, after half a second")
        world.turn(DONE)
        got = await asking
    assert [json.loads(event["data"])["status"] for event in parsed(got.text)[1:]] == ["running", "succeeded"]


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE", 503),
        (grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND", 404),
    ],
)
async def test_a_refusal_comes_before_the_stream_begins(status: grpc.StatusCode, reason: str, code: int) -> None:
    async with queue_peer(GetContentJob=refuse(status, reason)) as peer, gateway_client(peer.address) as gateway:
        assert (await gateway.get(PATH, headers=SESSION)).status_code == code


async def test_comments_keep_a_quiet_stream_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one process, so that the pause between comments can be short; the job ends once one was sent."""
    monkeypatch.setattr(event_stream, "KEEP_ALIVE", 0.05)
    world = WatchedPeer(RUNNING)
    async with queue_peer(**world.answers) as peer, gateway_client(peer.address) as gateway:
        asking = asyncio.create_task(gateway.get(PATH, headers=SESSION))
        await eventually(lambda: peer.calls("GetContentJob") >= 3, what="the row is read again, after half a second")
        world.turn(DONE)
        got = await asking
    assert ": ping" in got.text
    assert [json.loads(event["data"])["status"] for event in parsed(got.text)[1:]] == ["running", "succeeded"]


# ---- over real connections ------------------------------------------------------------------------------------------


@asynccontextmanager
async def watching(world: WatchedPeer, logs: Path) -> AsyncIterator[tuple[EventSource, Any]]:
    """A client of a gateway of its own, and the gateway's process."""
    async with queue_peer(**world.answers) as peer:
        with gateway_process(logs, JOBLINE_QUEUE_ADDRESS=peer.address) as (process, url):
            async with listening(f"{url}{PATH}", SESSION) as source:
                await source.until(lambda: source.events)
                yield source, process


def shown(source: EventSource) -> list[tuple[str, int]]:
    return [(status["status"], status["progress"]) for status in source.named("status")]


async def test_each_state_is_an_event_when_it_happens_and_the_stream_ends_with_the_job(tmp_path: Path) -> None:
    world = WatchedPeer(QUEUED)
    async with watching(world, tmp_path) as (source, process):
        world.turn(RUNNING)
        await source.until(lambda: shown(source) == [("queued", 0), ("running", 37)])
        assert source.last_id == "2026-01-20T09:00:12Z"
        # The watch breaks behind the gateway: the stream goes on, and is told what there is now.
        world.job = content_job("running", progress=80, updated_at=at("2026-01-20T09:00:20Z"))
        world.break_off()
        await source.until(lambda: shown(source)[-1] == ("running", 80))
        assert (source.streams, world.resumed) == (1, ["0-0", "7-1"])
        eta = job_pb2.Eta(reason="", p50={"seconds": 3}, p90={"seconds": 9})
        world.places = [job_pb2.JobPlace(id=JOB_ID, eta=eta)]
        await source.until(lambda: source.named("status")[-1]["estimatedTimeRemaining"] == 3)
        world.turn(DONE)
        await source.until(lambda: source.refusals == [204])  # it called again, and was told to stop
        assert (shown(source)[-1], source.streams) == (("succeeded", 100), 1)
        assert process.returncode is None


async def test_the_stream_ends_cleanly_when_the_gateway_stops(tmp_path: Path) -> None:
    async with watching(WatchedPeer(RUNNING), tmp_path) as (source, process):
        process.send(signal.SIGTERM)
        # No error of the transport: the last chunk says that it was the last.
        assert await asyncio.to_thread(process.wait, 10) == 0
        await eventually(lambda: source.ends == 1, what="the client has read the end")
    assert " ERROR " not in process.errors.read_text()
