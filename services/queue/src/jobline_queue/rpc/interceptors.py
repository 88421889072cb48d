"""The one place where calls are authenticated and errors become gRPC statuses.

Every error of the domain tree travels as a status with google.rpc.ErrorInfo (domain "jobline"), bad fields with
google.rpc.BadRequest too. What is not of the tree is a fault of ours: it is logged, and the caller gets INTERNAL without
details.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import grpc
import psycopg
import sqlalchemy.exc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc import aio
from grpc_status import rpc_status

from jobline_queue.core import errors
from jobline_queue.rpc.principal import CORRELATION_KEY, Authenticator, correlation_id, current
from jobline_queue.rpc.rules import OPEN_PREFIXES, RULES

logger = logging.getLogger(__name__)

#: Reason → status. A reflection test proves that it is complete.
STATUSES: dict[str, int] = {
    "UNAUTHENTICATED": code_pb2.UNAUTHENTICATED,
    "FORBIDDEN": code_pb2.PERMISSION_DENIED,
    "INVALID_FIELD": code_pb2.INVALID_ARGUMENT,
    "PROTOCOL_VIOLATION": code_pb2.INVALID_ARGUMENT,
    "IDEMPOTENCY_CONFLICT": code_pb2.ALREADY_EXISTS,
    "JOB_NOT_FOUND": code_pb2.NOT_FOUND,
    "QUEUE_NOT_FOUND": code_pb2.NOT_FOUND,
    "WORKER_NOT_FOUND": code_pb2.NOT_FOUND,
    "EMAIL_NOT_FOUND": code_pb2.NOT_FOUND,
    "ILLEGAL_TRANSITION": code_pb2.FAILED_PRECONDITION,
    "STALE_LEASE": code_pb2.FAILED_PRECONDITION,
    "CANCELLED": code_pb2.ABORTED,
    "NOT_ACTIVE": code_pb2.UNAVAILABLE,
    "DATABASE_UNAVAILABLE": code_pb2.UNAVAILABLE,
    "DRAINING": code_pb2.UNAVAILABLE,
    "TOO_LARGE": code_pb2.RESOURCE_EXHAUSTED,
    "SUPERSEDED": code_pb2.ABORTED,
    "INTERNAL": code_pb2.INTERNAL,
}

#: What a caller is told to wait after UNAVAILABLE: the time between two tries of a standby to become active.
RETRY_AFTER_MS = 1000

Handler = Callable[[Any, Any], Any]
#: Lets a call of a method in, or raises: (method, context).
Admit = Callable[[str, Any], None]


class ErrorsAndRights(aio.ServerInterceptor):  # type: ignore[type-arg]
    """Authenticates the caller, checks the role, maps errors. `check_active` raises NotActive on a standby."""

    def __init__(self, authenticator: Authenticator, check_active: Callable[[], object]) -> None:
        self._authenticator = authenticator
        self._check_active = check_active
        #: The handlers of the methods called so far, wrapped: once each, not at every call.
        self._guarded: dict[str, Any] = {}

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
        method: str = details.method
        guarded = self._guarded.get(method)
        if guarded is not None:
            return guarded
        handler = await continuation(details)
        if handler is None or method.startswith(OPEN_PREFIXES):
            return handler
        guarded = self._guarded[method] = _wrap(handler, self._admit, method)
        return guarded

    def _admit(self, method: str, context: Any) -> None:
        metadata = context.invocation_metadata() or ()
        principal = self._authenticator.authenticate(metadata)
        if principal.role not in RULES.get(method, ()):
            raise errors.Forbidden(f"role {principal.role} may not call {method.rpartition('/')[2]}")
        self._check_active()
        current.set(principal)
        correlation_id.set(_correlation_id(metadata))


def _correlation_id(metadata: Sequence[tuple[str, Any]]) -> str:
    """The request id that came along, if it is one: up to 128 printable ASCII characters."""
    found = next((value for key, value in metadata if key == CORRELATION_KEY), "")
    return found if isinstance(found, str) and len(found) <= 128 and found.isprintable() and found.isascii() else ""


def _wrap(handler: Any, admit: Admit, method: str) -> Any:
    serializers = {
        "request_deserializer": _read_or_none(handler.request_deserializer),
        "response_serializer": handler.response_serializer,
    }
    if handler.unary_unary:
        unary = _guard_call(handler.unary_unary, admit, method)
        return grpc.unary_unary_rpc_method_handler(unary, **serializers)
    if handler.unary_stream:
        stream = _guard_stream(handler.unary_stream, admit, method)
        return grpc.unary_stream_rpc_method_handler(stream, **serializers)
    work = _guard_call(handler.stream_stream, admit, method)
    return grpc.stream_stream_rpc_method_handler(work, **serializers)


def _read_or_none(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Bytes that are no message become None: gRPC would answer UNKNOWN, with the text of the exception."""

    def read_request(data: bytes) -> Any:
        try:
            return read(data)
        except DecodeError:
            return None

    return read_request


def _check_read(request: Any) -> None:
    if request is None:
        raise errors.invalid("request", "expected a message of this call's type")


def _guard_call(inner: Handler, admit: Admit, method: str) -> Handler:
    async def call(request: Any, context: Any) -> Any:
        try:
            admit(method, context)
            _check_read(request)
            return await inner(request, context)
        except Exception as error:
            await _abort(context, error, method)

    return call


def _guard_stream(inner: Handler, admit: Admit, method: str) -> Handler:
    async def call(request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            admit(method, context)
            _check_read(request)
            async for response in inner(request, context):
                yield response
        except Exception as error:
            await _abort(context, error, method)

    return call


async def _abort(context: Any, error: Exception, method: str) -> None:
    if isinstance(error, aio.AbortError):
        raise error
    await context.abort_with_status(rpc_status.to_status(as_status(error, method)))


def as_status(error: Exception, method: str) -> status_pb2.Status:
    """The status an error travels as."""
    if isinstance(error, psycopg.OperationalError | sqlalchemy.exc.OperationalError | sqlalchemy.exc.TimeoutError):
        logger.warning("%s: the database does not answer: %s", method, type(error).__name__)
        error = errors.DatabaseUnavailable()
    if not isinstance(error, errors.JoblineError):
        logger.error("%s failed (request %s)", method, correlation_id.get() or "-", exc_info=error)
        error = errors.JoblineError("internal error; the service's log has the details")
    status = status_pb2.Status(code=STATUSES[error.reason], message=str(error)[:2000])
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain="jobline", metadata=dict(error.metadata))
    status.details.append(_packed(info))
    if status.code == code_pb2.UNAVAILABLE:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(RETRY_AFTER_MS)
        status.details.append(_packed(retry))
    if isinstance(error, errors.InvalidField):
        bad = error_details_pb2.BadRequest()
        for problem in error.problems[:100]:
            bad.field_violations.add(field=problem.field, description=problem.expected)
        status.details.append(_packed(bad))
    return status


def _packed(message: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
