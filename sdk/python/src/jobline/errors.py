"""What a call to Jobline can fail with.

    JoblineError
    ├── InvalidField         a field is missing, malformed or out of bounds; `violations` names each
    ├── NotFound             no such thing, or none that the caller may see
    ├── Conflict             the idempotency key was used before with other content, or the id is taken
    ├── WrongState           the job's present state has no such arrow; `state` tells which it is in
    ├── CountChanged         another number of jobs matches than was expected; nothing was changed
    ├── StaleLease           the lease is not the job's current one: the run was lost, superseded or never existed
    ├── Cancelled            the job was cancelled; what was said about its run is void
    ├── Superseded           a newer stream of the same worker session took over
    ├── TooLarge             a message, payload, result or step output is larger than its cap
    ├── TooBroad             a search takes too long, or chooses more than a call may: narrow its filter
    ├── ProtocolViolation    the work stream's rules were broken
    ├── Unauthenticated      no service token, or one that is not known
    ├── PermissionDenied     the token's role does not allow the call
    ├── Unavailable          no service answered: standby, stopping, without database or provider, or not there
    │   └── NotActive        the address answers, but as a standby or while stopping; nothing was done
    ├── DeadlineExceeded     no answer in time; whether the call had an effect is not known
    └── ServiceFault         a fault of the service; its log has more under the same correlation id

`reason` is a word of `jobline.v1.ErrorReason` without its prefix, or empty where the error did not come from a Jobline
service; `status` is the gRPC status. `retry_after` is how many seconds the service asks callers to wait before they try again
(google.rpc.RetryInfo); 0 where it says nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

__all__ = [
    "Cancelled",
    "Conflict",
    "CountChanged",
    "DeadlineExceeded",
    "FieldViolation",
    "InvalidField",
    "JoblineError",
    "NotActive",
    "NotFound",
    "PermissionDenied",
    "ProtocolViolation",
    "ServiceFault",
    "StaleLease",
    "Superseded",
    "TooBroad",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "WrongState",
    "from_rpc_error",
]

_DOMAIN = "jobline"

#: Where gRPC puts google.rpc.Status among the trailing metadata.
_DETAILS_KEY = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field that was refused, and what was expected."""

    field: str
    description: str


class JoblineError(Exception):
    """A call failed. The message is a sentence for people."""

    def __init__(
        self,
        message: str,
        *,
        status: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        violations: tuple[FieldViolation, ...] = (),
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.violations = violations
        self.retry_after = retry_after


class InvalidField(JoblineError):
    """A field is missing, malformed or out of bounds; `violations` names each."""


class NotFound(JoblineError):
    """No such thing (a job, queue, worker, e-mail, business, user …), or none that the caller may see."""


class Conflict(JoblineError):
    """The idempotency key was used before with other content, or the id is taken. Nothing of the call was stored."""


class WrongState(JoblineError):
    """The transition table has no such arrow from the job's present state."""

    @property
    def state(self) -> str:
        """The job's state, in lower case; empty where the service did not tell."""
        return self.metadata.get("state", "")


class CountChanged(JoblineError):
    """Another number of jobs matches than was expected. Nothing was changed."""

    @property
    def count(self) -> int:
        """How many match."""
        return int(self.metadata.get("count", "0"))


class StaleLease(JoblineError):
    """The lease is not the job's current one. Whatever the run did is void."""


class Cancelled(JoblineError):
    """The job was cancelled; the outcome is void."""


class Superseded(JoblineError):
    """A newer stream of the same worker session took over."""


class TooLarge(JoblineError):
    """A message, payload, result or step output is larger than its cap."""


class TooBroad(JoblineError):
    """A search takes too long, or chooses more than a call may. Narrow its filter, best by times."""


class ProtocolViolation(JoblineError):
    """The work stream's rules were broken."""


class Unauthenticated(JoblineError):
    """No service token, or one that the service does not know."""


class PermissionDenied(JoblineError):
    """The token's role does not allow the call."""


class Unavailable(JoblineError):
    """No service answered, or it lacks one that it needs."""


class NotActive(Unavailable):
    """A standby, or a service that is stopping, answered. It did nothing; another address may be the active one."""


class DeadlineExceeded(JoblineError):
    """No answer in time. Whether the call had an effect is not known."""


class ServiceFault(JoblineError):
    """A fault of the service."""


#: By what the service says …
_BY_REASON: dict[str, type[JoblineError]] = {
    "UNAUTHENTICATED": Unauthenticated,
    "FORBIDDEN": PermissionDenied,
    "INVALID_FIELD": InvalidField,
    "PROTOCOL_VIOLATION": ProtocolViolation,
    "IDEMPOTENCY_CONFLICT": Conflict,
    "JOB_NOT_FOUND": NotFound,
    "QUEUE_NOT_FOUND": NotFound,
    "WORKER_NOT_FOUND": NotFound,
    "EMAIL_NOT_FOUND": NotFound,
    "BUSINESS_NOT_FOUND": NotFound,
    "ORGANIZATION_NOT_FOUND": NotFound,
    "MEDIA_NOT_FOUND": NotFound,
    "USER_NOT_FOUND": NotFound,
    "PROJECT_NOT_FOUND": NotFound,
    "PROJECT_EXISTS": Conflict,
    "ILLEGAL_TRANSITION": WrongState,
    "COUNT_CHANGED": CountChanged,
    "STALE_LEASE": StaleLease,
    "CANCELLED": Cancelled,
    "NOT_ACTIVE": NotActive,
    "DATABASE_UNAVAILABLE": Unavailable,
    "DRAINING": NotActive,
    "WORKER_UNAVAILABLE": Unavailable,
    "BROKER_UNAVAILABLE": Unavailable,
    "PROVIDER_UNAVAILABLE": Unavailable,
    "TOO_LARGE": TooLarge,
    "TOO_BROAD": TooBroad,
    "INTERNAL": ServiceFault,
    "SUPERSEDED": Superseded,
}

#: … and by the status alone, for a reason that is newer than this client or an error that gRPC itself made.
_BY_STATUS: dict[grpc.StatusCode, type[JoblineError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidField,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: Conflict,
    grpc.StatusCode.FAILED_PRECONDITION: WrongState,
    grpc.StatusCode.ABORTED: Cancelled,
    grpc.StatusCode.RESOURCE_EXHAUSTED: TooLarge,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    # Not by this side, which would know: gRPC's answer to a call that meets a server in the middle of its shutdown.
    grpc.StatusCode.CANCELLED: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
}


def from_rpc_error(error: grpc.aio.AioRpcError) -> JoblineError:
    """The typed error for what gRPC raised."""
    info, violations, retry_after = _details(error)
    reason = info.reason if info.domain == _DOMAIN else ""
    status = error.code()
    kind = _BY_REASON.get(reason) or _BY_STATUS.get(status, ServiceFault)
    return kind(
        error.details() or status.name,
        status=status,
        reason=reason,
        metadata=dict(info.metadata),
        violations=violations,
        retry_after=retry_after,
    )


def _details(
    error: grpc.aio.AioRpcError,
) -> tuple[error_details_pb2.ErrorInfo, tuple[FieldViolation, ...], float]:
    """The ErrorInfo, the BadRequest and the RetryInfo (in seconds) that travel with an error; empty where there are none."""
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    for detail in _rich_status(error).details:
        # Unpacking into the wrong message does nothing.
        detail.Unpack(info)
        detail.Unpack(bad_request)
        detail.Unpack(retry)
    found = tuple(FieldViolation(v.field, v.description) for v in bad_request.field_violations)
    return info, found, max(0.0, retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9)


def _rich_status(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    metadata = cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata() or ())
    details = dict(metadata).get(_DETAILS_KEY, b"")
    try:
        return status_pb2.Status.FromString(details if isinstance(details, bytes) else b"")
    except DecodeError:
        return status_pb2.Status()
