"""Clients that do not read what they asked for: they hold neither the gateway's memory nor its end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from jobline.v1 import email_service_pb2 as pb
from jobline_gateway import server
from support.gateway import bearer, gateway_process
from support.queue_peers import queue_peer
from support.watched_peer import WatchedPeer

#: More than both sides' buffers hold.
MUCH = 16 * 1024 * 1024


def deaf_client(host: str, port: int, *head: str) -> socket.socket:
    """One that sends a request, and reads nothing."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.connect((host, port))
    line.sendall("\r\n".join((*head, "Host: a", "", "")).encode())
    return line


async def test_who_does_not_read_in_time_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "READ_DEADLINE", 0.3)
    left = asyncio.Event()

    async def download(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            return
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(MUCH), "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()

    listener = server.listen("127.0.0.1", 0)
    serving = asyncio.create_task(server.serve(download, listener))
    try:
        with deaf_client(*listener.getsockname(), "GET / HTTP/1.1"):
            await asyncio.wait_for(left.wait(), 10)
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux alone has it")
def test_a_machine_that_is_gone_is_given_up_soon() -> None:
    with server.listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000


async def test_a_stream_that_nobody_reads_does_not_hold_up_the_end(tmp_path: Path) -> None:
    world = WatchedPeer()
    items = pb.ListQueueItemsResponse(
        items=[
            pb.QueueItem(id=str(number), status=pb.QUEUE_ITEM_STATUS_FAILED, error_message="x" * 1000)
            for number in range(12_000)
        ]
    )
    async with queue_peer(**world.answers, ListQueueItems=items) as peer:
        with gateway_process(tmp_path, JOBLINE_QUEUE_ADDRESS=peer.address) as (process, url):
            host, _, port = url.removeprefix("http://").partition(":")
            head = ("GET /api/queue/events HTTP/1.1", f"Authorization: {bearer()['authorization']}")
            with deaf_client(host, int(port), *head) as line:
                await asyncio.to_thread(line.recv, 1)  # it has begun
                process.send(signal.SIGTERM)
                assert await asyncio.to_thread(process.wait, 12) == 0
    assert "Traceback" not in process.errors.read_text()
