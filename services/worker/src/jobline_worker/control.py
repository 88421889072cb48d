"""WorkerControlService: running what is due on request, and embedding texts, for callers with a service token.

A call's errand runs where the pipelines live, in the main loop; gRPC has a loop of its own. Whoever hangs up cancels the
call, and through it the errand's waiting, in the other loop: the errand then claims no more and finishes what runs.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import status_pb2

from jobline.errors import (
    DeadlineExceeded,
    FieldViolation,
    InvalidField,
    JoblineError,
    NotActive,
    PermissionDenied,
    ServiceFault,
    Unauthenticated,
    Unavailable,
)
from jobline.server_calls import CallGuard, correlation_id_of, failure
from jobline.service_tokens import Role, ServiceToken, ServiceTokens
from jobline.v1 import embedding_pb2
from jobline.v1 import worker_control_service_pb2 as pb
from jobline.v1.worker_control_service_pb2_grpc import WorkerControlServiceServicer
from jobline.worker import ErrandReport, ErrandRunner, PermanentError, TransientError
from jobline_worker.providers.embeddings import MAX_TEXTS, Embedder, Vector

__all__ = ["SERVICE", "Control", "guard"]

log = logging.getLogger(__name__)

SERVICE = "jobline.v1.WorkerControlService"
_ROLES = (Role.OPERATOR, Role.GATEWAY)

_QUEUE = re.compile(r"[a-z0-9_-]{1,64}")
_MAX_OWNER = 264
_LONGEST = 86400.0
#: Of a text that is to be embedded, in characters.
_MAX_TEXT = 32_768

_correlation_id: ContextVar[str] = ContextVar("correlation_id", default="-")


class Control(WorkerControlServiceServicer):
    """See worker_control_service.proto for what each call promises. To be made in the loop of the pipelines."""

    def __init__(self, errands: ErrandRunner, embedder: Embedder) -> None:
        self._errands = errands
        self._embedder = embedder
        self._main = asyncio.get_running_loop()

    async def ProcessNow(self, request: pb.ProcessNowRequest, context: Any) -> pb.ProcessNowResponse:
        if violations := list(_violations(request)):
            raise _invalid(violations)
        log.info("process now: queue %s, request %s", request.queue, _correlation_id.get())
        errand = asyncio.run_coroutine_threadsafe(self._run(request), self._main)
        report = await asyncio.wrap_future(errand)
        log.info("processed: queue %s, request %s: %s", request.queue, _correlation_id.get(), report)
        return pb.ProcessNowResponse(
            attempted=report.attempted, succeeded=report.succeeded, failed=report.failed, complete=report.complete
        )

    async def _run(self, request: pb.ProcessNowRequest) -> ErrandReport:
        """What the queue service refuses is not the caller's doing, but for a service that is not there."""
        try:
            return await self._errands.run(
                request.queue,
                owner=request.owner,
                max_jobs=request.max_jobs,
                claim_for=_seconds(request.claim_for) if request.HasField("claim_for") else None,
                run_for=_seconds(request.run_for) if request.HasField("run_for") else None,
                own_runs_only=request.own_runs_only,
            )
        except NotActive:
            raise
        except (Unavailable, DeadlineExceeded) as error:
            why = f"the queue service does not answer: {error}"
            raise Unavailable(why, status=grpc.StatusCode.UNAVAILABLE, reason="NOT_ACTIVE") from error
        except JoblineError as error:
            why = f"the queue service refuses this worker: {error}"
            raise ServiceFault(why, status=grpc.StatusCode.INTERNAL, reason="INTERNAL") from error

    async def Embed(self, request: pb.EmbedRequest, context: Any) -> pb.EmbedResponse:
        if violations := list(_text_violations(request.texts)):
            raise _invalid(violations)
        embedding = asyncio.run_coroutine_threadsafe(self._embed(request.texts), self._main)
        vectors = await asyncio.wrap_future(embedding)
        return pb.EmbedResponse(vectors=[embedding_pb2.Vector(values=vector) for vector in vectors])

    async def _embed(self, texts: Sequence[str]) -> list[Vector]:
        try:
            return await self._embedder.embed(texts)
        except (TransientError, PermanentError) as error:
            reason = "PROVIDER_UNAVAILABLE"
            raise Unavailable(str(error), status=grpc.StatusCode.UNAVAILABLE, reason=reason) from error


def guard(tokens: Sequence[ServiceToken]) -> CallGuard:
    """Lets in callers that have one of `tokens` and the right role."""
    known = ServiceTokens(tokens)

    def admit(method: str, context: Any) -> None:
        metadata = context.invocation_metadata() or ()
        token = known.of_call(metadata)
        if token is None:
            expected = "expected metadata `authorization: Bearer {service token}` with a known token"
            raise Unauthenticated(expected, status=grpc.StatusCode.UNAUTHENTICATED, reason="UNAUTHENTICATED")
        if token.role not in _ROLES:
            why = f"role {token.role} may not call {method.rpartition('/')[2]}"
            raise PermissionDenied(why, status=grpc.StatusCode.PERMISSION_DENIED, reason="FORBIDDEN")
        _correlation_id.set(correlation_id_of(metadata) or "-")

    return CallGuard(admit, _as_status)


def _as_status(error: Exception, method: str) -> status_pb2.Status:
    if not isinstance(error, JoblineError):
        log.error("%s failed, request %s", method, _correlation_id.get(), exc_info=error)
        why = "internal error; the worker's log has the details"
        error = ServiceFault(why, status=grpc.StatusCode.INTERNAL, reason="INTERNAL")
    code: int = error.status.value[0]
    return failure(code, error.reason, str(error), error.metadata, error.violations)


def _violations(request: pb.ProcessNowRequest) -> Iterator[FieldViolation]:
    if not _QUEUE.fullmatch(request.queue):
        yield FieldViolation("queue", "expected 1-64 characters of a-z, 0-9, '_' and '-'")
    if len(request.owner) > _MAX_OWNER or "\0" in request.owner:
        yield FieldViolation("owner", f"expected at most {_MAX_OWNER} characters, without NUL")
    if request.max_jobs < 0:
        yield FieldViolation("max_jobs", "expected 0 or more")
    for name in ("claim_for", "run_for"):
        if request.HasField(name) and not 0 < _seconds(getattr(request, name)) <= _LONGEST:
            yield FieldViolation(name, f"expected a duration of more than 0 and at most {_LONGEST:g} s")


def _text_violations(texts: Sequence[str]) -> Iterator[FieldViolation]:
    if not 1 <= len(texts) <= MAX_TEXTS:
        yield FieldViolation("texts", f"expected 1 to {MAX_TEXTS} texts")
    for index, text in enumerate(texts[:MAX_TEXTS]):
        if not 1 <= len(text) <= _MAX_TEXT:
            yield FieldViolation(f"texts[{index}]", f"expected 1 to {_MAX_TEXT} characters")


def _invalid(violations: Sequence[FieldViolation]) -> InvalidField:
    message = "; ".join(f"{violation.field}: {violation.description}" for violation in violations)
    status = grpc.StatusCode.INVALID_ARGUMENT
    return InvalidField(message, status=status, reason="INVALID_FIELD", violations=tuple(violations))


def _seconds(duration: Duration) -> float:
    return float(duration.seconds + duration.nanos / 1e9)
