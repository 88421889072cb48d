"""One stream of events: how it begins, goes on, and begins anew.

It begins with a look at everything, with the caller's rights: who may not look is refused before the answer begins. A client
that says what it has seen last goes on from there, if that is known; else the first event is `resync`, the look itself, after
which the client knows all there is. So does one that fell behind, or that a gap of the hub's own watch concerns.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import grpc
from starlette.requests import Request

from jobline.v1 import job_pb2
from jobline_gateway.event_stream import RECONNECT, EventStream
from jobline_gateway.guard import token_expiry
from jobline_gateway.hang_up import while_connected
from jobline_gateway.live.feed import Feed, Look
from jobline_gateway.live.hub import Hub
from jobline_gateway.live.ring import split
from jobline_gateway.live.watcher import Watcher
from jobline_gateway.problems import Problem
from jobline_gateway.service_client import ServiceError

__all__ = ["last_event_id", "open_stream", "short_stream"]

logger = logging.getLogger(__name__)

#: Seconds within which the row of a running job says what its worker has reported.
ROWS_LAG = 2.0
#: Seconds for which a caller's rights are taken for granted.
RIGHTS_LAST = 60.0
#: Ceiling of the jittered wait in seconds before another look after one that failed.
RETRY_WAIT = 2.0

_RETRY = f"retry: {RECONNECT}\n\n".encode()
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def last_event_id(request: Request) -> str:
    """What a client says it has seen; `EventSource` cannot be told to say so when it begins, hence the query."""
    return request.headers.get("last-event-id") or request.query_params.get("lastEventId", "")


async def open_stream(hub: Hub, feed: Feed, request: Request) -> EventStream:
    """The answer. Raises Problem or ServiceError, as the look does, and ClientDisconnect: who hangs up waits for no turn."""
    parts = _parts(hub, feed, last_event_id(request) if feed.RESUMES else "")
    first = await while_connected(request, _first(parts))
    return EventStream(_chained(first, parts), token_expiry(request))


def short_stream(feed: Feed, look: Look) -> EventStream:
    """The answer where there is nothing more to come than this."""

    async def only() -> AsyncGenerator[bytes, None]:
        yield _RETRY + feed.seen(look, "")

    return EventStream(only())


async def _first(parts: AsyncGenerator[bytes, None]) -> bytes:
    return await anext(parts)


async def _chained(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(rest):
        yield first
        async for part in rest:
            yield part


async def _parts(hub: Hub, feed: Feed, seen: str) -> AsyncGenerator[bytes, None]:
    async with hub.watching(feed.topics) as watcher:
        stream = _Stream(hub, feed, watcher)
        yield _RETRY + await stream.begin(seen)
        while not watcher.closed and not feed.over:
            if part := await stream.go_on():
                yield part


class _Stream:
    def __init__(self, hub: Hub, feed: Feed, watcher: Watcher) -> None:
        self._hub = hub
        self._feed = feed
        self._watcher = watcher
        self._confirmed = 0.0

    async def begin(self, seen: str) -> bytes:
        self._watcher.begin()
        resumed = self._hub.resume(self._watcher, seen)
        look, point = await self._look(resumed)
        return b"" if resumed else self._seen(look, point)

    async def go_on(self) -> bytes:
        """What is to be sent next, after the time that it takes to come. Empty: nothing."""
        await self._watcher.wait(self._feed.rest_after)
        if self._watcher.closed:
            return b""
        try:
            return self._seen(*await self._look()) if self._watcher.lost else await self._news()
        except (Problem, ServiceError) as error:
            await self._look_later(error)
            return b""

    async def _news(self) -> bytes:
        point = self._hub.last_id
        changes, places = self._watcher.take()
        if not changes and not places:
            return await self._feed.rest(point)
        await self._confirm()
        told = await self._feed.changed(changes) if changes else b""
        return told + (self._feed.placed(places) if places else b"")

    async def _look(self, resumed: bool = False) -> tuple[Look, str]:
        """What there is, and the change up to which it is certainly in it: what came before the look was asked for."""
        await self._hub.stands()
        async with self._hub.turn:
            if not resumed:
                self._watcher.begin()
            point = self._hub.last_id
            self._confirmed = time.monotonic()
            look = await self._feed.look()
        self._watcher.live_on(look.living)
        self._hub.places.look_soon()
        return look, point

    async def _confirm(self) -> None:
        now = time.monotonic()
        if now >= self._confirmed + RIGHTS_LAST:
            await self._feed.confirm()
            self._confirmed = now

    async def _look_later(self, error: Problem | ServiceError) -> None:
        """A service that is away comes back. Whoever may not look any more is told so when they call again."""
        if isinstance(error, ServiceError) and error.status in _AWAY:
            self._watcher.lose()
            await asyncio.sleep(random.uniform(0, RETRY_WAIT))
        else:
            logger.info("a stream of events ends: %s", error)
            self._watcher.close()

    def _seen(self, look: Look, point: str) -> bytes:
        return self._feed.seen(look, point) + self._just_reported(point)

    def _just_reported(self, point: str) -> bytes:
        """What a worker has just reported may not be in the rows that were looked at."""
        known_to = split(point)
        if known_to is None:
            return b""
        running = (
            change
            for change in self._hub.latest(self._watcher, ROWS_LAG)
            if change.number <= known_to[1] and change.job is not None and change.job.state == job_pb2.JOB_STATE_RUNNING
        )
        return b"".join(map(self._feed.unnumbered, running))
