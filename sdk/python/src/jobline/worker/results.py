"""How a run ended, as one value: what the executor returns and a single `match` turns into a part of an Outcome."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from jobline.v1 import job_pb2, work_service_pb2
from jobline.worker.errors import JobFailure

__all__ = [
    "NO_RESULT",
    "Ending",
    "Failed",
    "GivenBack",
    "Lost",
    "PutOff",
    "RunResult",
    "Stopped",
    "Succeeded",
    "fill_outcomes",
]


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


class Ending(NamedTuple):
    """How a run ended, until the service has answered it. Of a run that is `Lost` nothing is said."""

    lease_token: str
    job_id: str
    result: RunResult

    @property
    def size(self) -> int:
        """About how many bytes it takes in a message, and no fewer."""
        if self.result is NO_RESULT:  # the quick way for nearly all there are under load
            return _NAMES
        match self.result:
            case Succeeded(text):
                return _NAMES + (len(text) if text.isascii() else 4 * len(text))
            case Failed(failure):
                return _NAMES + 4 * (len(failure.code) + len(failure.message))
            case GivenBack(reason):
                return _NAMES + 4 * len(reason)
            case _:
                return _NAMES


#: Bytes of a job's id, its lease's token and what is around them.
_NAMES = 100

_lease_and_result = itemgetter(0, 2)


def fill_outcomes(message: work_service_pb2.Outcomes, endings: Iterable[Ending]) -> None:
    """The messages that tell the service. Runs of one lease that ended alike, one after the other, share one: of short jobs
    that return nothing, there is one message for a lease instead of hundreds."""
    for (token, result), alike in groupby(endings, key=_lease_and_result):
        outcome = message.outcomes.add(lease_token=token)
        outcome.job_ids.extend([ending.job_id for ending in alike])
        _fill_result(outcome, result)


def _fill_result(outcome: work_service_pb2.Outcome, result: RunResult) -> None:
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
            raise ValueError("nothing is said about a run whose lease is lost")
