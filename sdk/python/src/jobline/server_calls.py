"""What every gRPC service of Jobline does around its calls: let them in or not, and say how they failed.

Errors travel as a status with google.rpc.ErrorInfo (domain "jobline"), bad fields with google.rpc.BadRequest too;
`jobline.errors` is the other end. Which callers may do what, and which errors there are, is each service's own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc import aio
from grpc_status import rpc_status

from jobline.errors import FieldViolation

__all__ = ["ACCEPTED_KEY", "CallGuard", "accept", "correlation_id_of", "failure"]

#: Services that need no token: probes and tools ask them.
_OPEN_PREFIXES = ("/grpc.health.v1.", "/grpc.reflection.")

#: The request's id, made or passed on by the gateway; joins the logs of all services and the jobs that are stored.
CORRELATION_KEY = "x-request-id"

#: Initial metadata of a call that takes a stream of requests: the active service has taken the first one. A client that
#: cannot send the rest twice waits for it. Also of a watch, which may have nothing to say for long: it was granted.
ACCEPTED_KEY = "jobline-accepted"
#: Whether the call under way has said so.
_accepted: ContextVar[bool] = ContextVar("accepted", default=False)

#: Seconds that a client has for each message of a stream of requests, and for all of them.
_MESSAGE_WITHIN, _STREAM_WITHIN = 300.0, 3600.0

#: Seconds that a client has for each message, and for all, of the rest of a call that is refused. One that has not heard yet
#: that it was accepted may be waiting for that, and send nothing.
_REST_WITHIN, _REST_BEFORE_ACCEPTED, _WHOLE_REST_WITHIN = 5.0, 0.25, 60.0
_MAX_MESSAGE = 2000
_MAX_VIOLATIONS = 100
#: What a caller is told to wait after UNAVAILABLE: the time between two tries of a standby to become active.
_RETRY_AFTER_MS = 1000


Handler = Callable[[Any, Any], Any]


class CallGuard(aio.ServerInterceptor):  # type: ignore[type-arg]
    """Stands before every call but those of health and reflection.

    `admit(method, context)` lets a call in, or raises; `as_status(error, method)` is the status that whatever it or the
    call raised travels as.
    """

    def __init__(
        self, admit: Callable[[str, Any], None], as_status: Callable[[Exception, str], status_pb2.Status]
    ) -> None:
        self._admit = admit
        self._as_status = as_status
        #: The handlers of the methods called so far, wrapped: once each, not at every call.
        self._guarded: dict[str, Any] = {}

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
        method: str = details.method
        guarded = self._guarded.get(method)
        if guarded is not None:
            return guarded
        handler = await continuation(details)
        if handler is None or method.startswith(_OPEN_PREFIXES):
            return handler
        guarded = self._guarded[method] = self._wrap(handler, method)
        return guarded

    def _wrap(self, handler: Any, method: str) -> Any:
        serializers = {
            "request_deserializer": _read_or_none(handler.request_deserializer),
            "response_serializer": handler.response_serializer,
        }
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(self._call(handler.unary_unary, method), **serializers)
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(self._stream(handler.unary_stream, method), **serializers)
        if handler.stream_unary:
            return grpc.stream_unary_rpc_method_handler(self._collect(handler.stream_unary, method), **serializers)
        return grpc.stream_stream_rpc_method_handler(self._call(handler.stream_stream, method), **serializers)

    def _call(self, inner: Handler, method: str) -> Handler:
        async def call(request: Any, context: Any) -> Any:
            try:
                self._admit(method, context)
                await _check_read(request, context)
                return await inner(request, context)
            except Exception as error:
                await self._abort(context, error, method)

        return call

    def _stream(self, inner: Handler, method: str) -> Handler:
        async def call(request: Any, context: Any) -> AsyncIterator[Any]:
            try:
                self._admit(method, context)
                await _check_read(request, context)
                async for response in inner(request, context):
                    yield response
            except Exception as error:
                await self._abort(context, error, method)

        return call

    def _collect(self, inner: Handler, method: str) -> Handler:
        async def call(requests: Any, context: Any) -> Any:
            try:
                return await inner(_in_time(requests, context), context)
            except aio.AbortError:
                raise
            except Exception:
                await _read_to_the_end(aiter(requests))
                raise

        return self._call(call, method)

    async def _abort(self, context: Any, error: Exception, method: str) -> None:
        if isinstance(error, aio.AbortError):
            raise error
        await context.abort_with_status(rpc_status.to_status(self._as_status(error, method)))


def _read_or_none(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Bytes that are no message become None: gRPC would answer UNKNOWN, with the text of the exception."""

    def read_request(data: bytes) -> Any:
        try:
            return read(data)
        except DecodeError:
            return None

    return read_request


async def _check_read(request: Any, context: Any) -> None:
    if request is None:
        await _refuse(context, "expected a message of this call's type")


async def _refuse(context: Any, expected: str) -> None:
    violation = FieldViolation("request", expected)
    message = f"{violation.field}: {violation.description}"
    status = failure(code_pb2.INVALID_ARGUMENT, "INVALID_FIELD", message, violations=[violation])
    await context.abort_with_status(rpc_status.to_status(status))


async def _in_time(requests: Any, context: Any) -> AsyncIterator[Any]:
    """The messages of a stream of requests. A client that sends none for too long is refused: what is kept for it would be
    kept for ever."""
    messages, now = aiter(requests), asyncio.get_running_loop().time
    ends_at = now() + _STREAM_WITHIN
    while True:
        try:
            async with asyncio.timeout_at(min(now() + _MESSAGE_WITHIN, ends_at)):
                request = await anext(messages)
        except StopAsyncIteration:
            return
        except TimeoutError:
            await _refuse(
                context, f"expected within {_MESSAGE_WITHIN:g} s, and all of them within {_STREAM_WITHIN:g} s"
            )
        await _check_read(request, context)
        yield request


async def accept(context: Any) -> None:
    """Tells the client of a stream that its first request is taken. To be called before a second one is read."""
    await context.send_initial_metadata(((ACCEPTED_KEY, "1"),))
    _accepted.set(True)


async def _read_to_the_end(requests: AsyncIterator[Any]) -> None:
    """Before a refusal. To a client of grpc.aio, a write that fails because the call has ended is an internal error, whatever
    the call has ended with: only who could send all hears why it was refused."""
    idle = _REST_WITHIN if _accepted.get() else _REST_BEFORE_ACCEPTED
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_WHOLE_REST_WITHIN):
            while True:
                async with asyncio.timeout(idle):
                    await anext(requests)  # until it raises StopAsyncIteration


def correlation_id_of(metadata: Iterable[tuple[str, Any]]) -> str:
    """The request id that came along, if it is one: up to 128 printable ASCII characters."""
    found = next((value for key, value in metadata if key == CORRELATION_KEY), "")
    return found if isinstance(found, str) and len(found) <= 128 and found.isprintable() and found.isascii() else ""


def failure(
    code: int,
    reason: str,
    message: str,
    metadata: Mapping[str, str] | None = None,
    violations: Sequence[FieldViolation] = (),
) -> status_pb2.Status:
    """The status that a call ends with. `code` is a google.rpc.Code, `reason` an ErrorReason without its prefix."""
    status = status_pb2.Status(code=code, message=message[:_MAX_MESSAGE])
    info = error_details_pb2.ErrorInfo(reason=reason, domain="jobline", metadata=dict(metadata or {}))
    status.details.append(_packed(info))
    if code == code_pb2.UNAVAILABLE:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(_RETRY_AFTER_MS)
        status.details.append(_packed(retry))
    if violations:
        bad = error_details_pb2.BadRequest()
        for violation in violations[:_MAX_VIOLATIONS]:
            bad.field_violations.add(field=violation.field, description=violation.description)
        status.details.append(_packed(bad))
    return status


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
