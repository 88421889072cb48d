"""What the finisher is asked to do: one class an act, each about one job, each with a way to answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jobline_queue.core.ending import Completed, Outcome, RunEnd
from jobline_queue.core.lifecycle import Arrow
from jobline_queue.core.live_job import Lease, LiveJob
from jobline_queue.dispatch.session import OutcomeStatus, StepStatus

#: Told once: the act, what became of its outcome, and why if it was refused. It gets the act, so that a stream needs no
#: closure for each of its outcomes.
OutcomeAnswer = Callable[["EndRun", OutcomeStatus, str], None]
StepAnswer = Callable[[StepStatus, str], None]
#: Told once: None when the act is done, else why not.
ActAnswer = Callable[[Exception | None], None]


@dataclass(slots=True, eq=False)
class EndRun:
    """A run's outcome, from its worker or from maintenance (lost, timed out)."""

    job_id: str
    token: str
    outcome: Outcome
    answer: OutcomeAnswer
    #: Who says it, as events name it.
    actor: str = "system"
    #: The queue in whose capacity it has freed a place of its session already; empty: none, the end does.
    freed: str = ""


@dataclass(slots=True, eq=False)
class StoreStep:
    """The output (JSON text, checked) of a finished step."""

    job_id: str
    token: str
    name: str
    output: str
    seconds: float
    answer: StepAnswer


@dataclass(slots=True, eq=False)
class MarkRunning:
    """Brings a running job's own row up to date: state, step, progress."""

    job: LiveJob
    #: Told once that the row says so, or that it will not for now: the run has ended, or somebody has locked the row.
    answer: Callable[[], None] = lambda: None

    @property
    def job_id(self) -> str:
        return self.job.id


@dataclass(slots=True, eq=False)
class ExtendLease:
    """Writes a lease's new expiry."""

    lease: Lease
    job_id: str = ""


@dataclass(slots=True, eq=False)
class CancelJob:
    job_id: str
    actor: str
    reason: str
    answer: ActAnswer
    #: Refuse to touch a running job, whatever its queue's policy.
    pending_only: bool = False
    #: Refuse to touch a job that waits.
    running_only: bool = False
    #: JSON text, checked: what becomes the result of a job that this act ends. A run that is only asked to stop at its next
    #: step boundary ends by an act of its own, without it.
    result: str | None = None


@dataclass(slots=True, eq=False)
class RetryJob:
    job_id: str
    actor: str
    answer: ActAnswer
    #: Refuse a job whose `seq` is another one: it was retried since it was looked at. None: whatever it is.
    seq: int | None = None


@dataclass(slots=True, eq=False)
class RemoveJob:
    """Delete (a caller's) or expire (`name` says which)."""

    job_id: str
    name: str
    actor: str
    answer: ActAnswer
    detail: str = ""


def unheard(_act: EndRun, _status: OutcomeStatus, _detail: str) -> None:
    """The answer for an outcome whose author does not wait for one: maintenance."""


Act = EndRun | StoreStep | MarkRunning | ExtendLease | CancelJob | RetryJob | RemoveJob


@dataclass(slots=True, eq=False)
class Ending:
    """An accepted outcome on its way to the database. The kind's hook may replace `end`."""

    job: LiveJob
    lease: Lease
    end: RunEnd
    answer: Callable[[OutcomeStatus, str], None]
    #: The worker did not say it itself (lost, timed out, revoked): it is told.
    tell_worker: bool
    #: The outcome as it was said; None: a caller's cancel ends the run.
    said: EndRun | None = None

    @property
    def overruled(self) -> EndRun | None:
        """The success that its worker said and that is void, because a cancel had been granted before."""
        said = self.said
        return said if said and type(said.outcome) is Completed and self.end.arrow is Arrow.CANCEL else None
