"""How a run ended, as one value: what the executor returns and a single `match` turns into an Outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from jobline.v1 import job_pb2, work_service_pb2
from jobline.worker.errors import JobFailure

__all__ = ["NO_RESULT", "Failed", "GivenBack", "Lost", "PutOff", "RunResult", "Stopped", "Succeeded", "outcome_of"]


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The pipeline finished; `result_json` is its result as JSON text."""

    result_json: str


#: Most pipelines of short jobs return nothing.
NO_RESULT = Succeeded("null")


@dataclass(frozen=True, slots=True)
class Failed:
    """The run failed; the service decides by `failure.retryable` and the attempts left whether there is another."""

    failure: JobFailure


@dataclass(frozen=True, slots=True)
class PutOff:
    """The pipeline raised Snooze; `delay` is in seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class Stopped:
    """The run stopped because a caller cancelled the job."""


@dataclass(frozen=True, slots=True)
class GivenBack:
    """The run did not begin or did not finish, through no fault of the job's; it keeps its place and its attempts."""

    reason: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The lease is not the worker's any more: nothing is said about the run."""


RunResult: TypeAlias = Succeeded | Failed | PutOff | Stopped | GivenBack | Lost


def outcome_of(result: RunResult, job_id: str, lease_token: str) -> work_service_pb2.Outcome | None:
    """The message that tells the service; None when there is nothing to tell."""
    outcome = work_service_pb2.Outcome(job_id=job_id, lease_token=lease_token)
    match result:
        case Succeeded():
            # Presence is what counts: an empty Completed means the result `null`.
            outcome.completed.result_json = result.result_json
        case Failed(failure):
            outcome.failed.error.CopyFrom(
                job_pb2.JobError(code=failure.code, message=failure.message, retryable=failure.retryable)
            )
        case PutOff(delay):
            outcome.snoozed.delay.FromMilliseconds(round(delay * 1000))
        case Stopped():
            outcome.cancelled.SetInParent()
        case GivenBack(reason):
            outcome.released.reason = reason[:255]
        case Lost():
            return None
    return outcome
