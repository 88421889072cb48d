"""Calls with a stream of requests or of answers: made once, in the gRPC loop, with typed errors.

A stream that breaks is opened again by whoever knows where to go on; `Patience` says when, and for how long.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar, cast

import grpc
from google.protobuf.message import Message

from jobline.calls import Calls
from jobline.channel import grpc_loop
from jobline.errors import DeadlineExceeded, JoblineError, Unavailable, from_rpc_error
from jobline.server_calls import ACCEPTED_KEY

__all__ = ["Patience", "listen", "upload"]

Response = TypeVar("Response")
Received = TypeVar("Received", bound=Message)
T = TypeVar("T")

#: Ceilings of the jittered waits between streams, in seconds: doubling from the first to the last.
_FIRST_WAIT, _LAST_WAIT = 0.1, 10.0


class Patience:
    """How often and how long a broken stream is opened again."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._failing_since: float | None = None
        self._failures = 0

    def heard(self) -> None:
        """The service has answered: from now on it may be silent for as long as at first."""
        self._failing_since, self._failures = None, 0

    async def wait(self, error: JoblineError) -> None:
        """Waits before the next try: a jittered time. Raises `error` once nothing was heard for too long."""
        now = time.monotonic()
        self._failing_since = self._failing_since or now
        if now - self._failing_since > self._seconds:
            raise error
        await self.pause()

    async def pause(self) -> None:
        await asyncio.sleep(random.uniform(0, min(_LAST_WAIT, _FIRST_WAIT * 2.0 ** min(self._failures, 20))))
        self._failures += 1


async def listen(
    calls: Calls,
    call: Callable[[grpc.aio.Channel], Callable[..., grpc.aio.UnaryStreamCall[Any, Received]]],
    request: object,
    within: float | None = None,
) -> AsyncGenerator[Received, None]:
    """The answers of `call(channel)(request)`, each of which may take `within` seconds (None: any time).

    Raises JoblineError. What has failed for want of an answer goes to the next address when it is called again.
    """

    async def open_stream() -> grpc.aio.UnaryStreamCall[Any, Received]:
        return call(calls.channel())(request, metadata=calls.metadata)

    async def read(stream: grpc.aio.UnaryStreamCall[Any, Received]) -> Received | None:
        message: object = await _typed(calls, stream.read(), within)
        return cast("Received", message) if isinstance(message, Message) else None

    loop = grpc_loop()
    stream = await loop.run(open_stream())
    try:
        while (message := await loop.run(read(stream))) is not None:
            yield message
    finally:
        loop.post(stream.cancel)


async def upload(
    calls: Calls,
    call: Callable[[grpc.aio.Channel], Callable[..., grpc.aio.StreamUnaryCall[Any, Response]]],
    first: object,
    rest: AsyncIterator[object],
    within: float,
) -> Response:
    """The answer to a call that sends `first` and then the `rest`.

    `rest` is not touched before a service has accepted the call, and is iterated in the loop of the caller. Every step (to be
    accepted, to send a message, to be answered) may take `within` seconds; the time that `rest` takes does not count. Raises
    JoblineError.
    """
    loop = grpc_loop()
    stream = await loop.run(_opened(calls, call))
    try:
        await loop.run(_typed(calls, _accepted(stream, first), within))
        async for message in rest:
            await loop.run(_typed(calls, _written(stream, message), within))
        return await loop.run(_typed(calls, _answer(stream), within))
    finally:
        loop.post(stream.cancel)


async def _opened(calls: Calls, call: Callable[[grpc.aio.Channel], Callable[..., T]]) -> T:
    return call(calls.channel())(metadata=calls.metadata)


async def _accepted(stream: grpc.aio.StreamUnaryCall[Any, Any], first: object) -> None:
    await _written(stream, first)
    metadata = await stream.initial_metadata()
    if ACCEPTED_KEY not in metadata:
        await stream  # it was refused: says how


async def _written(stream: grpc.aio.StreamUnaryCall[Any, Any], message: object) -> None:
    try:
        await stream.write(message)
    except asyncio.InvalidStateError:
        await stream  # it has ended: says how
    except grpc.aio.AioRpcError as raised:
        error = from_rpc_error(raised)
        if error.reason or error.status is not grpc.StatusCode.INTERNAL:
            raise
        # Whatever the call has ended with, this is all that grpc.aio knows of it once a write has failed.
        raise Unavailable(
            "the connection broke in the middle of a call", status=grpc.StatusCode.UNAVAILABLE
        ) from raised


async def _answer(stream: grpc.aio.StreamUnaryCall[Any, Response]) -> Response:
    await stream.done_writing()
    return await stream


async def _typed(calls: Calls, step: Awaitable[T], within: float | None) -> T:
    """Awaits a step of a stream. Whoever does not answer is not asked again before the others."""
    try:
        async with asyncio.timeout(within):
            return await step
    except TimeoutError as silent:
        calls.next_address()
        raise DeadlineExceeded(f"no answer within {within:g} s", status=grpc.StatusCode.DEADLINE_EXCEEDED) from silent
    except (grpc.aio.AioRpcError, JoblineError) as raised:
        error = raised if isinstance(raised, JoblineError) else from_rpc_error(raised)
        if isinstance(error, Unavailable | DeadlineExceeded):
            calls.next_address()
        if error is raised:
            raise
        raise error from raised
