"""Everything the queue service refuses, as one tree.

`rpc/interceptors.py` maps the tree to gRPC; each class names its reason, and its text is the message the caller sees.

    JoblineError
    ├── Unauthenticated, Forbidden
    ├── InvalidField, ProtocolViolation, TooLarge, TooBroad, IdempotencyConflict, ProjectExists
    ├── NotFound (job, queue, worker, e-mail, business, organization, media, user, project)
    ├── IllegalTransition, CountChanged
    ├── StaleLease, RunCancelled
    └── NotActive, DatabaseUnavailable, Draining, WorkerUnavailable, BrokerUnavailable, Superseded
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class JoblineError(Exception):
    """A refusal. `reason` is the ErrorReason word without its prefix."""

    reason = "INTERNAL"
    #: Travels as ErrorInfo.metadata.
    metadata: Mapping[str, str] = {}


class Unauthenticated(JoblineError):
    reason = "UNAUTHENTICATED"


class Forbidden(JoblineError):
    reason = "FORBIDDEN"


@dataclass(frozen=True)
class FieldProblem:
    """One bad field: its path in the request (`jobs[3].payload_json`) and what was expected of it."""

    field: str
    expected: str


class InvalidField(JoblineError):
    """One or more fields are bad; nothing was stored."""

    reason = "INVALID_FIELD"

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{problem.field}: {problem.expected}" for problem in problems))


def invalid(field: str, expected: str) -> InvalidField:
    return InvalidField([FieldProblem(field, expected)])


class ProtocolViolation(JoblineError):
    reason = "PROTOCOL_VIOLATION"


class TooLarge(JoblineError):
    reason = "TOO_LARGE"


class TooBroad(JoblineError):
    """A search that takes too long, or chooses more than a call may."""

    reason = "TOO_BROAD"


class IdempotencyConflict(JoblineError):
    reason = "IDEMPOTENCY_CONFLICT"

    def __init__(self, field: str) -> None:
        super().__init__(f"{field}: the idempotency key was used before with other content")


class ProjectExists(JoblineError):
    reason = "PROJECT_EXISTS"

    def __init__(self, project_id: str) -> None:
        super().__init__(f"project {project_id} exists already")


class NotFound(JoblineError):
    def __init__(self, what: str, name: str) -> None:
        self.reason = f"{what.upper().replace('-', '')}_NOT_FOUND"
        super().__init__(f"{what} {name} not found")


class IllegalTransition(JoblineError):
    """The transition table has no such arrow from the present state."""

    reason = "ILLEGAL_TRANSITION"

    def __init__(self, arrow: str, state: str, why: str = "") -> None:
        self.metadata = {"state": state}
        super().__init__(f"cannot {arrow} a job that is {state}" + (f": {why}" if why else ""))


class CountChanged(JoblineError):
    """Another number of jobs matches than the caller expected; nothing was changed."""

    reason = "COUNT_CHANGED"

    def __init__(self, expected: int, count: int) -> None:
        self.metadata = {"count": str(count)}
        super().__init__(f"expected {expected} jobs, but {count} match")


class StaleLease(JoblineError):
    reason = "STALE_LEASE"

    def __init__(self) -> None:
        super().__init__("the lease is not the job's current one; the run is void")


class RunCancelled(JoblineError):
    reason = "CANCELLED"

    def __init__(self) -> None:
        super().__init__("the job was cancelled; the run is void")


class NotActive(JoblineError):
    reason = "NOT_ACTIVE"

    def __init__(self) -> None:
        super().__init__("this queue service is a standby")


class DatabaseUnavailable(JoblineError):
    reason = "DATABASE_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("the database does not answer or the service is being handed over; try again")


class Draining(JoblineError):
    reason = "DRAINING"

    def __init__(self) -> None:
        super().__init__("the service is stopping; reconnect after a moment")


class WorkerUnavailable(JoblineError):
    reason = "WORKER_UNAVAILABLE"

    def __init__(self, why: str) -> None:
        super().__init__(f"no worker service does it now: {why}")


class BrokerUnavailable(JoblineError):
    reason = "BROKER_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("the server that JOBLINE_REDIS_URL names does not answer; nothing was stored")


class Superseded(JoblineError):
    reason = "SUPERSEDED"

    def __init__(self) -> None:
        super().__init__("a newer stream of this session took over")
