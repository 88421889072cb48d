"""Small real gRPC servers for tests of things that call the queue service: a standby, a refusing one, a slow one.

    async with queue_peer(SubmitEmails=refuse(StatusCode.UNAVAILABLE, "NOT_ACTIVE")) as standby:
        ...
        assert standby.calls("SubmitEmails") == 1

They speak the wire protocol and know nothing of queues: what a method answers is the test's to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2
from grpc import aio

from jobline.v1 import (
    account_service_pb2,
    communication_service_pb2,
    content_service_pb2,
    email_service_pb2,
    ingestion_service_pb2,
    job_service_pb2,
    queue_service_pb2,
    worker_control_service_pb2,
)

__all__ = ["Answer", "Call", "QueuePeer", "StreamAnswer", "Unending", "Unread", "queue_peer", "refuse"]

_SERVICES = (
    account_service_pb2,
    communication_service_pb2,
    content_service_pb2,
    email_service_pb2,
    ingestion_service_pb2,
    job_service_pb2,
    queue_service_pb2,
    worker_control_service_pb2,
)


@dataclass
class Unending:
    """A method that never answers. It tells when a call has begun, and when the caller has ended it."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, call: Call, context: Context) -> Message:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()
        raise AssertionError("never")

    async def ends_with(self, request: Coroutine[Any, Any, object]) -> None:
        """Makes the request, hangs up once the call has begun, and returns when the call has ended."""
        made = asyncio.create_task(request)
        await asyncio.wait_for(self.begun.wait(), 10)
        made.cancel()
        await asyncio.wait_for(self.ended.wait(), 10)


@dataclass(frozen=True)
class Unread:
    """Answers a call that is sent in several messages when it has read the first: the client cannot send the others."""

    answer: Answer

    async def __call__(self, call: Call, context: Context) -> Message:
        return await self.answer(call, context)


@dataclass(frozen=True)
class Call:
    """What was asked; `messages` are all of a call that is sent in several, `request` is the first."""

    method: str
    request: Message
    metadata: Mapping[str, Any]
    messages: Sequence[Message] = ()


Context = aio.ServicerContext[Any, Any]
Answer = Callable[[Call, Context], Awaitable[Message]]
StreamAnswer = Callable[[Call, Context], AsyncIterator[Message]]


@dataclass
class QueuePeer:
    """A running server: its address and what it was asked."""

    answers: dict[str, Any]
    received: list[Call] = field(default_factory=list)
    address: str = ""

    def calls(self, method: str) -> int:
        return sum(call.method == method for call in self.received)

    async def handle(self, method: str, request: Message, context: Context) -> Message:
        call = self._receive(method, request, context)
        answer = self.answers[method]
        return answer if isinstance(answer, Message) else await answer(call, context)

    async def handle_stream(self, method: str, request: Message, context: Context) -> AsyncIterator[Message]:
        call = self._receive(method, request, context)
        async for message in self.answers[method](call, context):
            yield message

    async def handle_upload(self, method: str, requests: AsyncIterator[Message], context: Context) -> Message:
        answer = self.answers[method]
        messages = [await anext(requests)] if isinstance(answer, Unread) else [message async for message in requests]
        call = self._receive(method, messages[0], context, messages)
        return answer if isinstance(answer, Message) else await answer(call, context)

    def _receive(self, method: str, request: Message, context: Context, messages: Sequence[Message] = ()) -> Call:
        call = Call(method, request, dict(context.invocation_metadata() or ()), messages)
        self.received.append(call)
        return call


def refuse(
    status: grpc.StatusCode, reason: str = "", *, fields: Mapping[str, str] | None = None, **metadata: str
) -> Answer:
    """Refuses as the contract says: status, ErrorInfo with reason and metadata, BadRequest with the fields."""

    async def answer(call: Call, context: Context) -> Message:
        details: list[Message] = []
        if reason:
            details.append(error_details_pb2.ErrorInfo(reason=reason, domain="jobline", metadata=metadata))
        if fields:
            found = [{"field": name, "description": text} for name, text in fields.items()]
            details.append(error_details_pb2.BadRequest(field_violations=found))
        rich = status_pb2.Status(code=status.value[0], message="refused by the test", details=map(_packed, details))
        trailer = (("grpc-status-details-bin", rich.SerializeToString()),)
        await context.abort(status, rich.message, trailing_metadata=trailer)

    return answer


def _packed(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


@asynccontextmanager
async def queue_peer(port: int = 0, /, **answers: Answer | StreamAnswer | Message) -> AsyncIterator[QueuePeer]:
    """The server on 127.0.0.1, on a free port unless told otherwise, until the block ends. Callers are welcome unless the
    test says no.

    It answers for worker services, too."""
    welcome = account_service_pb2.EnsureCallerResponse()
    peer = QueuePeer({"EnsureCaller": welcome, **answers})
    server = aio.server()
    for module in _SERVICES:
        for service in module.DESCRIPTOR.services_by_name.values():
            handlers = {each.name: _handler(peer, each) for each in service.methods}
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))
    peer.address = f"127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
    await server.start()
    try:
        yield peer
    finally:
        await server.stop(None)


def _handler(peer: QueuePeer, method: Any) -> grpc.RpcMethodHandler[Any, Any]:
    codec: dict[str, Any] = {
        "request_deserializer": GetMessageClass(method.input_type).FromString,
        "response_serializer": lambda message: message.SerializeToString(),
    }
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(partial(peer.handle_stream, method.name), **codec)
    if method.client_streaming:
        return grpc.stream_unary_rpc_method_handler(partial(peer.handle_upload, method.name), **codec)
    return grpc.unary_unary_rpc_method_handler(partial(peer.handle, method.name), **codec)
