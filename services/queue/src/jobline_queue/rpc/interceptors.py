"""The one place where calls are authenticated and errors become gRPC statuses.

Every error of the domain tree travels as a status with google.rpc.ErrorInfo (domain "jobline"), bad fields with
google.rpc.BadRequest too. What is not of the tree is a fault of ours: it is logged, and the caller gets INTERNAL without
details.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import psycopg
import sqlalchemy.exc
from google.rpc import code_pb2, status_pb2

from jobline.errors import FieldViolation
from jobline.server_calls import CallGuard, correlation_id_of, failure
from jobline_queue.core import errors
from jobline_queue.rpc.principal import Authenticator, correlation_id, current
from jobline_queue.rpc.rules import RULES

logger = logging.getLogger(__name__)

#: Reason → status, but for the reasons that only worker services give. A reflection test proves that it is complete.
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
    "BUSINESS_NOT_FOUND": code_pb2.NOT_FOUND,
    "ORGANIZATION_NOT_FOUND": code_pb2.NOT_FOUND,
    "MEDIA_NOT_FOUND": code_pb2.NOT_FOUND,
    "USER_NOT_FOUND": code_pb2.NOT_FOUND,
    "PROJECT_NOT_FOUND": code_pb2.NOT_FOUND,
    "PROJECT_EXISTS": code_pb2.ALREADY_EXISTS,
    "ILLEGAL_TRANSITION": code_pb2.FAILED_PRECONDITION,
    "COUNT_CHANGED": code_pb2.FAILED_PRECONDITION,
    "STALE_LEASE": code_pb2.FAILED_PRECONDITION,
    "CANCELLED": code_pb2.ABORTED,
    "NOT_ACTIVE": code_pb2.UNAVAILABLE,
    "DATABASE_UNAVAILABLE": code_pb2.UNAVAILABLE,
    "DRAINING": code_pb2.UNAVAILABLE,
    "WORKER_UNAVAILABLE": code_pb2.UNAVAILABLE,
    "BROKER_UNAVAILABLE": code_pb2.UNAVAILABLE,
    "TOO_LARGE": code_pb2.RESOURCE_EXHAUSTED,
    "TOO_BROAD": code_pb2.RESOURCE_EXHAUSTED,
    "SUPERSEDED": code_pb2.ABORTED,
    "INTERNAL": code_pb2.INTERNAL,
}


class ErrorsAndRights(CallGuard):
    """Authenticates the caller, checks the role, maps errors. `check_active` raises NotActive on a standby."""

    def __init__(self, authenticator: Authenticator, check_active: Callable[[], object]) -> None:
        super().__init__(self._let_in, as_status)
        self._authenticator = authenticator
        self._check_active = check_active

    def _let_in(self, method: str, context: Any) -> None:
        metadata = context.invocation_metadata() or ()
        principal = self._authenticator.authenticate(metadata)
        if principal.role not in RULES.get(method, ()):
            raise errors.Forbidden(f"role {principal.role} may not call {method.rpartition('/')[2]}")
        self._check_active()
        current.set(principal)
        correlation_id.set(correlation_id_of(metadata))


def as_status(error: Exception, method: str) -> status_pb2.Status:
    """The status an error travels as."""
    if isinstance(error, psycopg.OperationalError | sqlalchemy.exc.OperationalError | sqlalchemy.exc.TimeoutError):
        logger.warning("%s: the database does not answer: %s", method, type(error).__name__)
        error = errors.DatabaseUnavailable()
    if not isinstance(error, errors.JoblineError):
        logger.error("%s failed (request %s)", method, correlation_id.get() or "-", exc_info=error)
        error = errors.JoblineError("internal error; the service's log has the details")
    problems = error.problems if isinstance(error, errors.InvalidField) else ()
    violations = [FieldViolation(problem.field, problem.expected) for problem in problems]
    return failure(STATUSES[error.reason], error.reason, str(error), error.metadata, violations)
