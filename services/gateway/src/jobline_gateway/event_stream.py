"""Server-sent events (HTML Standard, section 9.2), for as long as the token that opened the stream is good.

Made for `EventSource`, which calls again whenever a stream ends. So a stream that breaks, here or behind us, just ends; the
next one begins with all there is to know.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

__all__ = ["RECONNECT", "EventStream"]

#: Made, or encoded already.
Event = ServerSentEvent | bytes

#: Seconds between comments that keep proxies from taking the stream for dead.
KEEP_ALIVE = 15
#: Milliseconds that a client waits before it calls again; for the first event of a stream.
RECONNECT = 2000
#: Seconds after which a stream ends in any case.
LONGEST = 86_400.0


class EventStream(EventSourceResponse):
    """The events of a generator, closed when the client hangs up, when `expires_at` (seconds since 1970) has come, and
    when this service is stopped."""

    def __init__(self, events: AsyncGenerator[Event, None], expires_at: float | None = None) -> None:
        self._events = events
        super().__init__(_until(expires_at, events), ping=KEEP_ALIVE, sep="\n")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._events):
            await super().__call__(scope, receive, send)
        if self.active:
            # Neither side has ended it: this service is being stopped.
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until(expires_at: float | None, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    left = LONGEST if expires_at is None else min(expires_at - time.time(), LONGEST)
    deadline = asyncio.get_running_loop().time() + left
    while True:
        try:
            # Around each event alone: a deadline must not strike where the client is being written to.
            async with asyncio.timeout_at(deadline):
                event = await anext(events)
        except (TimeoutError, StopAsyncIteration):
            return
        yield event
