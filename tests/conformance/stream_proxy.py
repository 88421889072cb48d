"""A gRPC proxy between a worker and the queue service that sees, and may change, every message of a work stream.

It runs in the test process, in the one loop that grpc.aio has there. Bytes of other calls pass as they are; each message
of a work stream is decoded, recorded, and given to a *rule*: a generator function that yields what goes on in its place.

    def lose_the_third(frame):          # drop
        if frame.index != 2:
            yield frame.message

    def cut_after_a_job(frame):         # cut: the stream ends there, on both sides
        yield frame.message
        if frame.message.HasField("assignments"):
            raise Cut

A gRPC stream delivers a prefix of what was sent, so a real fault is a cut. Dropping, repeating and replacing messages is
harsher than any network; what survives it needs no luck.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
from google.protobuf.message import Message
from grpc import aio

from jobline.channel import grpc_loop, open_channel
from jobline.runtime import GRPC_OPTIONS
from jobline.v1 import work_service_pb2 as pb

__all__ = ["Cut", "Frame", "Rule", "StreamProxy", "stream_proxy"]

WORK = "/jobline.v1.WorkService/Work"


class Cut(Exception):
    """Raised by a rule: the stream breaks here, for the worker as for the service."""


class Orphaned(Cut):
    """The stream breaks for the worker alone."""


@dataclass(frozen=True)
class Frame:
    """One message on its way. `stream` and `index` count from 0; `at` is Unix time in seconds."""

    stream: Stream
    index: int
    message: Any
    at: float = field(default_factory=time.time)


Rule = Callable[[Frame], Iterable[Message]]


def forward(frame: Frame) -> Iterator[Message]:
    """The rule that changes nothing."""
    yield frame.message


@dataclass(eq=False)
class Stream:
    """One work stream through the proxy, with all that passed."""

    number: int
    started_at: float = field(default_factory=time.time)
    #: What the worker wrote, and what the service wrote, before any rule.
    requests: list[Frame] = field(default_factory=list)
    responses: list[Frame] = field(default_factory=list)
    #: How the service ended it: a status and its details; None while it goes on, or after a cut.
    status: tuple[grpc.StatusCode, str] | None = None
    half_closed: bool = False
    over: bool = False
    _down: asyncio.Queue[Message | Exception | None] = field(default_factory=asyncio.Queue)

    def answer(self, message: pb.WorkResponse) -> None:
        """Sends the worker a message that the service did not write. For rules."""
        self._down.put_nowait(message)


class StreamProxy:
    """Listens on one address and forwards to another. Rules may be set at any time, from any thread."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.address = ""
        self.on_request: Rule = forward
        self.on_response: Rule = forward
        #: Every work stream, in order; refused ones are in `refused_at` only.
        self.streams: list[Stream] = []
        self.refused_at: list[float] = []
        #: Answers of unary calls that are still to be lost after the service gave them.
        self.replies_to_lose = 0
        self._refusing: tuple[grpc.StatusCode, str] | None = None
        self._flowing: asyncio.Event | None = None
        self._server: aio.Server | None = None
        self._channel: aio.Channel | None = None
        self._open: set[Stream] = set()

    # ---- for tests, from any thread ---------------------------------------------------------------------------------

    @property
    def requests(self) -> list[Frame]:
        return [frame for stream in list(self.streams) for frame in list(stream.requests)]

    @property
    def responses(self) -> list[Frame]:
        return [frame for stream in list(self.streams) for frame in list(stream.responses)]

    def cut(self) -> None:
        """Breaks every open stream."""
        grpc_loop().submit(self._break(Cut())).result(5)

    def orphan(self) -> None:
        """Breaks every open stream for its worker only; the service goes on believing in it."""
        grpc_loop().submit(self._break(Orphaned())).result(5)

    def refuse(self, code: grpc.StatusCode | None, details: str = "refused by the test") -> None:
        """Answers new work streams with this status, until told None."""
        self._refusing = (code, details) if code is not None else None

    def stall(self, stalled: bool = True) -> None:
        """Keeps every stream open and passes nothing on, in either direction."""
        grpc_loop().submit(self._stall(stalled)).result(5)

    # ---- life, in the gRPC loop -------------------------------------------------------------------------------------

    async def start(self) -> None:
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._channel = open_channel(self.target)
        self._server = aio.server(options=[*GRPC_OPTIONS, ("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((_Every(self),))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()

    async def close(self) -> None:
        assert self._server is not None
        assert self._channel is not None
        await self._stall(False)
        await self._server.stop(None)
        await self._channel.close()

    async def _break(self, how: Cut) -> None:
        for stream in list(self._open):
            stream._down.put_nowait(how)

    async def _stall(self, stalled: bool) -> None:
        assert self._flowing is not None
        self._flowing.clear() if stalled else self._flowing.set()

    # ---- calls ------------------------------------------------------------------------------------------------------

    async def unary(self, method: str, request: bytes, context: Any) -> bytes:
        assert self._channel is not None
        try:
            answer: bytes = await self._channel.unary_unary(method)(request, metadata=_metadata(context))
        except aio.AioRpcError as error:
            await context.abort(error.code(), error.details(), tuple(error.trailing_metadata() or ()))
        if self.replies_to_lose:
            self.replies_to_lose -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the answer was lost")
        return answer

    async def work(self, requests: AsyncIterator[bytes], context: Any) -> None:
        assert self._channel is not None
        if self._refusing is not None:
            self.refused_at.append(time.time())
            await context.abort(*self._refusing)
        stream = Stream(len(self.streams))
        self.streams.append(stream)
        call = self._channel.stream_stream(WORK)(metadata=_metadata(context))
        up = asyncio.create_task(self._up(stream, requests, call))
        down = asyncio.create_task(self._down(stream, call))
        self._open.add(stream)
        ending: Exception | None = None
        try:
            ending = await self._to_worker(stream, context)
        finally:
            stream.over = True
            self._open.discard(stream)
            up.cancel()
            if not isinstance(ending, Orphaned):
                down.cancel()
                call.cancel()
        await _end(context, ending)

    async def _to_worker(self, stream: Stream, context: Any) -> Exception | None:
        """The one writer towards the worker; returns how the stream is to end."""
        while isinstance(item := await stream._down.get(), Message):
            await context.write(item.SerializeToString())
        return item

    async def _down(self, stream: Stream, call: Any) -> None:
        try:
            while (data := await call.read()) is not aio.EOF:
                await self._flow()
                frame = Frame(stream, len(stream.responses), pb.WorkResponse.FromString(data))
                stream.responses.append(frame)
                for message in self.on_response(_copied(frame)):
                    stream._down.put_nowait(message)
            await _raise_status(call)
            stream.status = (grpc.StatusCode.OK, "")
            stream._down.put_nowait(None)
        except Exception as error:
            if isinstance(error, aio.AioRpcError):
                stream.status = (error.code(), error.details() or "")
            stream._down.put_nowait(error)

    async def _up(self, stream: Stream, requests: AsyncIterator[bytes], call: Any) -> None:
        try:
            async for data in requests:
                await self._flow()
                frame = Frame(stream, len(stream.requests), pb.WorkRequest.FromString(data))
                stream.requests.append(frame)
                for message in self.on_request(_copied(frame)):
                    await call.write(message.SerializeToString())
            stream.half_closed = True
            await call.done_writing()
        except Cut as cut:
            stream._down.put_nowait(cut)
        except (aio.AioRpcError, asyncio.InvalidStateError):
            pass  # the call has ended; the other direction says how

    async def _flow(self) -> None:
        assert self._flowing is not None
        await self._flowing.wait()


class _Every(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """Serves every method there is: the work stream by its own handler, all else as a unary call."""

    def __init__(self, proxy: StreamProxy) -> None:
        self._proxy = proxy

    def service(self, handler_call_details: Any) -> Any:
        method = handler_call_details.method
        if method == WORK:
            return grpc.stream_stream_rpc_method_handler(self._proxy.work)

        async def unary(request: bytes, context: Any) -> bytes:
            return await self._proxy.unary(method, request, context)

        return grpc.unary_unary_rpc_method_handler(unary)


def _copied(frame: Frame) -> Frame:
    """The frame with a message that a rule may change; the record keeps what was written."""
    message = type(frame.message)()
    message.CopyFrom(frame.message)
    return replace(frame, message=message)


async def _end(context: Any, ending: Exception | None) -> None:
    match ending:
        case None:
            return
        case Cut():
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the connection broke")
        case aio.AioRpcError():
            await context.abort(ending.code(), ending.details(), tuple(ending.trailing_metadata() or ()))
        case _:
            raise ending


async def _raise_status(call: Any) -> None:
    code = await call.code()
    if code is not grpc.StatusCode.OK:
        raise aio.AioRpcError(code, await call.initial_metadata(), await call.trailing_metadata(), await call.details())


def _metadata(context: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((key, value) for key, value in context.invocation_metadata() or () if key == "authorization")


@contextlib.contextmanager
def stream_proxy(target: str) -> Iterator[StreamProxy]:
    """A proxy before `target`, until the block ends."""
    proxy = StreamProxy(target)
    loop = grpc_loop()
    loop.submit(proxy.start()).result(10)
    try:
        yield proxy
    finally:
        loop.submit(proxy.close()).result(10)
