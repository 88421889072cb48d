"""A small real HTTP server for tests of things that call HTTP servers: it can fail, hang, cut and talk nonsense.

    async with serve(always(status(500))) as server:
        ...
        assert len(server.requests) == 3

Written on bare asyncio streams, because a well-behaved server framework cannot misbehave on purpose.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jobline_local.ports import free_port

__all__ = [
    "Handler",
    "Reply",
    "Request",
    "TestServer",
    "always",
    "cut",
    "dribble",
    "hang",
    "html",
    "in_turn",
    "json_reply",
    "refused_url",
    "serve",
    "status",
]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What is sent back. `then` is how the body ends: `close` (properly), `hang`, `cut` (too early) or `dribble`."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    then: str = "close"


Handler = Callable[[Request], Reply]


class TestServer:
    __test__ = False

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.requests: list[Request] = []
        #: What arrived and made no request (a port scanner's or a TLS client's bytes count too).
        self.connections = 0
        self.port = 0
        self.closing = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            request = await _read_request(reader)
            self.requests.append(request)
            await self._send(self.handler(request), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _send(self, reply: Reply, writer: asyncio.StreamWriter) -> None:
        if reply.then == "hang" and not reply.body:
            await self.closing.wait()
            return
        length = len(reply.body) + (1000 if reply.then != "close" else 0)
        headers = {"content-type": "application/json", "content-length": str(length), "connection": "close"}
        headers |= {name.lower(): value for name, value in reply.headers.items()}
        head = f"HTTP/1.1 {reply.status} Test\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(head.encode() + b"\r\n" + reply.body)
        await writer.drain()
        if reply.then == "hang":
            await self.closing.wait()
        while reply.then == "dribble" and not self.closing.is_set():
            writer.write(b" ")
            await writer.drain()
            await _pause_unless(self.closing)


async def _pause_unless(event: asyncio.Event) -> None:
    """Paces a slow body: short enough that no read times out, only the whole."""
    try:
        await asyncio.wait_for(event.wait(), 0.02)
    except TimeoutError:
        return


async def _read_request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    parts = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return Request(method, parts.path, query, headers, body)


@asynccontextmanager
async def serve(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[TestServer]:
    """The server on a free port of 127.0.0.1, until the block ends."""
    test_server = TestServer(handler)
    server = await asyncio.start_server(test_server.answer, "127.0.0.1", 0, ssl=tls)
    test_server.port = server.sockets[0].getsockname()[1]
    try:
        yield test_server
    finally:
        test_server.closing.set()
        server.close()


def refused_url() -> str:
    """An address on which nothing listens."""
    return f"http://127.0.0.1:{free_port()}"


def always(reply: Reply) -> Handler:
    return lambda request: reply


def in_turn(*replies: Reply) -> Handler:
    """The first reply for the first request and so on; the last one stays."""
    left = list(replies)
    return lambda request: left.pop(0) if len(left) > 1 else left[0]


def json_reply(value: Any) -> Reply:
    return Reply(body=json.dumps(value).encode())


def html(text: str, **headers: str) -> Reply:
    return Reply(body=text.encode(), headers={"content-type": "text/html; charset=utf-8", **headers})


def status(code: int, text: str = "") -> Reply:
    return Reply(status=code, body=text.encode(), headers={"content-type": "text/plain"})


def hang() -> Reply:
    return Reply(then="hang")


def cut() -> Reply:
    """Promises a thousand bytes more than it sends."""
    return Reply(body=b'{"results": [', then="cut")


def dribble() -> Reply:
    """Sends a space every few milliseconds for as long as it is listened to."""
    return Reply(body=b"<html>", headers={"content-type": "text/html", "content-length": "1000000"}, then="dribble")
