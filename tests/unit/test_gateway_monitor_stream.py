"""The queues as server-sent events: what is told and when, one question for all who watch, and every way a stream ends."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
from google.protobuf.message import Message

from jobline.v1 import queue_pb2
from jobline.v1 import queue_service_pb2 as pb
from jobline_gateway.monitor.board import Board
from jobline_gateway.queue_client import QueueClient
from support.eventually import eventually
from support.gateway import bearer, gateway_process
from support.monitor_rest import API, a_queue, lasting, role
from support.queue_peers import Call, Context, QueuePeer, Unending, queue_peer, refuse


class Queues:
    """The queues of a peer, which the test changes."""

    def __init__(self) -> None:
        self.away = False
        self.hang: Unending | None = None
        self.stats = queue_pb2.QueueStats(ready=1, oldest_ready_age=lasting(1))

    async def __call__(self, call: Call, context: Context) -> Message:
        if self.hang is not None:
            return await self.hang(call, context)
        if self.away:
            return await refuse(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")(call, context)
        return pb.ListQueuesResponse(queues=[a_queue(stats=self.stats)])


@asynccontextmanager
async def watched(queues: Queues, period: float = 0.01) -> AsyncIterator[tuple[Board, QueuePeer]]:
    async with queue_peer(ListQueues=queues) as peer:
        client = QueueClient([peer.address], "service-token")
        await client.open()
        board = Board(client, period)
        try:
            yield board, peer
        finally:
            board.close()
            await client.close()


async def seen(pictures: AsyncIterator[str]) -> dict[str, Any]:
    picture: dict[str, Any] = json.loads(await asyncio.wait_for(anext(pictures), 10))
    return picture


async def test_a_picture_comes_at_once_and_then_whenever_something_has_happened() -> None:
    queues = Queues()
    async with watched(queues) as (board, peer), aclosing(board.pictures()) as pictures:
        assert (await seen(pictures))["queues"][0]["ready"] == 1
        asked = peer.calls("ListQueues")
        # Only older: nothing to tell.
        queues.stats.oldest_ready_age.FromSeconds(2)
        following = asyncio.ensure_future(anext(pictures))
        await eventually(lambda: peer.calls("ListQueues") > asked + 2, within=10, what="it is asked again")
        assert not following.done()
        queues.stats.ready = 5
        assert json.loads(await asyncio.wait_for(following, 10))["queues"][0]["ready"] == 5


async def test_all_who_watch_share_one_question_and_the_last_to_leave_ends_it() -> None:
    async with watched(Queues(), period=3600) as (board, peer):
        async with AsyncExitStack() as stack:
            for _ in range(5):
                pictures = await stack.enter_async_context(aclosing(board.pictures()))
                assert (await seen(pictures))["queues"][0]["name"] == "test"
            assert peer.calls("ListQueues") == 1
        async with aclosing(board.pictures()) as pictures:
            await seen(pictures)
            # Nobody has looked meanwhile, so it is asked anew.
            assert peer.calls("ListQueues") == 2


async def test_who_comes_later_sees_how_old_things_are_by_now() -> None:
    queues = Queues()
    async with watched(queues) as (board, peer), aclosing(board.pictures()) as early:
        await seen(early)
        queues.stats.oldest_ready_age.FromSeconds(99)
        asked = peer.calls("ListQueues")
        await eventually(lambda: peer.calls("ListQueues") > asked + 1, within=10, what="it is asked again")
        async with aclosing(board.pictures()) as late:
            assert (await seen(late))["queues"][0]["oldestReadySeconds"] == 99


async def test_a_slow_reader_sees_the_newest_picture_only() -> None:
    queues = Queues()
    async with watched(queues) as (board, peer), aclosing(board.pictures()) as pictures:
        await seen(pictures)
        for ready in range(10, 15):
            queues.stats.ready = ready
            asked = peer.calls("ListQueues")
            await eventually(lambda asked=asked: peer.calls("ListQueues") > asked + 1, within=10, what="it is asked")
        assert (await seen(pictures))["queues"][0]["ready"] == 14


async def test_an_outage_is_waited_for() -> None:
    queues = Queues()
    queues.away = True
    async with watched(queues) as (board, peer), aclosing(board.pictures()) as pictures:
        first = asyncio.ensure_future(anext(pictures))
        await eventually(lambda: peer.calls("ListQueues") > 2, within=20, what="it is asked again")
        assert not first.done()
        queues.away = False
        assert json.loads(await asyncio.wait_for(first, 10))["queues"]


# ---- over real connections ------------------------------------------------------------------------------------------


@asynccontextmanager
async def streaming(url: str, headers: dict[str, str]) -> AsyncIterator[AsyncIterator[str]]:
    """The lines of a stream from the gateway at `url`."""
    async with (
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=20) as client,
        client.stream("GET", f"{API}/stream", headers=headers) as got,
    ):
        assert (got.status_code, got.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert "content-security-policy" in got.headers
        yield got.aiter_lines()


async def first_event(lines: AsyncIterator[str]) -> dict[str, str]:
    found = {}
    async for line in lines:
        if not line:
            break
        name, _, found[name] = line.partition(": ")
    return found


async def test_the_stream_ends_with_its_client_its_token_and_the_gateway(tmp_path: Path) -> None:
    queues = Queues()
    async with queue_peer(ListQueues=queues) as peer:
        with gateway_process(tmp_path, JOBLINE_QUEUE_ADDRESS=peer.address) as (process, url):
            async with streaming(url, bearer(**role("admin"))) as lines:
                event = await first_event(lines)
                assert (event["event"], event["retry"]) == ("queues", "2000")
                assert json.loads(event["data"])["queues"][0]["name"] == "test"
                queues.hang = Unending()
                await asyncio.wait_for(queues.hang.begun.wait(), 10)
            # The client has hung up, and the question that was under way for it alone is no more.
            await asyncio.wait_for(queues.hang.ended.wait(), 10)
            soon = int(time.time()) + 3
            async with streaming(url, bearer(exp=soon, **role("manager"))) as lines:
                # The last chunk says that it was the last: no error of the transport.
                assert not [line async for line in lines if line.startswith("data")]
            assert time.time() >= soon
            async with streaming(url, bearer(**role("admin"))) as lines:
                process.send(signal.SIGTERM)
                assert not [line async for line in lines if line.startswith("data")]
                assert await asyncio.to_thread(process.wait, 15) == 0
    assert " ERROR " not in process.errors.read_text()
