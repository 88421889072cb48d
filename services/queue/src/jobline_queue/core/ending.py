"""How a run ends: from what was said of it, and the policy, to where the job goes. Pure.

This is the right half of the lifecycle table. `Outcome` is what a worker, the rescuer or a caller says; `RunEnd` is what
the database is told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from jobline_queue.core.errors import invalid
from jobline_queue.core.lifecycle import Arrow, State
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.new_job import NewJob
from jobline_queue.core.policy import QueuePolicy
from jobline_queue.core.retry import apart, backoff

MAX_MESSAGE = 1000
#: Runs lost with their worker after which a job is not run again by the system.
MAX_LOSSES = 3
#: Deliveries in a row that vanished with their worker, after which they count as runs lost with it.
MAX_VANISHED = 3


@dataclass(frozen=True, slots=True)
class RunError:
    code: str
    message: str
    retryable: bool


def cut(message: str, most: int = MAX_MESSAGE) -> str:
    """At most `most` characters, the mark of a cut included."""
    return message if len(message) <= most else message[: most - 1] + "…"


@dataclass(slots=True)
class Completed:
    """Not frozen like its siblings, because that triples the price of making one, and one is made for every job."""

    #: JSON text, checked.
    result: str


@dataclass(frozen=True, slots=True)
class Failed:
    error: RunError
    #: Seconds until the next run; None: the policy's backoff.
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """The worker stopped because it was asked to."""


@dataclass(frozen=True, slots=True)
class Snoozed:
    delay: float


@dataclass(frozen=True, slots=True)
class Released:
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """The lease lapsed, or a delivery never arrived.

    `vanished` is how many times in a row the worker was gone, too, before it had said that the job arrived; 0: it is there.
    """

    vanished: int = 0


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The policy's time-out passed."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """A caller cancelled a running job whose queue cancels at once."""

    actor: str
    reason: str
    #: JSON text, checked: what becomes the job's result; None: it has none.
    result: str | None = None


Outcome = Completed | Failed | Stopped | Snoozed | Released | Lost | TimedOut | Revoked


def summary(outcome: Completed | Failed) -> str:
    """What a run says of its work, for people."""
    match outcome:
        case Completed(result):
            return cut(f"completed: {result}")
        case Failed(error):
            return cut(f"failed: {error.code}: {error.message}")


@dataclass(frozen=True, slots=True)
class RunEnd:
    """One arrow out of `running`, ready to be written."""

    arrow: Arrow
    state: State
    attempt: int
    losses: int
    run_at: float
    #: The attempt row's outcome; None: no attempt row (success, or a delivery that never arrived).
    outcome: str | None = None
    result: str | None = None
    error: RunError | None = None
    #: The event row's name; None: no event row.
    event: str | None = None
    actor: str = "system"
    detail: str = ""
    #: Deliveries in a row that vanished with their worker, this one included.
    vanished: int = 0
    #: Jobs to be stored in the transaction of this end: an `on_end` hook adds them (dispatch/hooks.py).
    follow_ups: tuple[NewJob, ...] = ()


def rejected(end: RunEnd, message: str) -> RunEnd:
    """The failure that the success `end` becomes, because its result is none or cannot be stored."""
    error = RunError("RESULT_REJECTED", cut(message), False)
    return replace(end, arrow=Arrow.FAIL, state=State.FAILED, outcome="failed", result=None, error=error, follow_ups=())


def end_run(job: LiveJob, policy: QueuePolicy, outcome: Outcome, now: float) -> RunEnd:
    """Where `outcome` takes the running `job`. Raises InvalidField for `Stopped` when nobody asked."""
    match outcome:
        case Completed() if job.cancel_requested:
            return cancelled(job, "system", "completed after a cancel was requested")
        case Completed(result):
            return RunEnd(Arrow.COMPLETE, State.SUCCEEDED, job.attempt + 1, job.losses, job.run_at, result=result)
        case Failed(error, retry_after):
            return _fail(Arrow.FAIL, "failed", job, policy, error, now, retry_after)
        case TimedOut():
            return _fail(Arrow.TIME_OUT, "timed_out", job, policy, _timeout_error(job, policy), now)
        case Lost(vanished):
            return _lost(job, policy, vanished, now)
        case Revoked(actor, reason, result):
            return cancelled(job, actor, reason, result)
        case Stopped():
            if not job.cancel_requested:
                raise invalid("cancelled", "expected a job whose cancel was requested")
            return cancelled(job, "system", "stopped at a step boundary")
        case Snoozed(delay):
            return _back(Arrow.SNOOZE, "snoozed", job, now + delay)
        case Released(reason):
            return _back(Arrow.RELEASE, "released", job, job.run_at, reason)
        case _:
            assert_never(outcome)


def cancelled(job: LiveJob, actor: str, reason: str, result: str | None = None) -> RunEnd:
    """The run ends in a cancel, and counts for nothing."""
    return RunEnd(
        Arrow.CANCEL,
        State.CANCELLED,
        job.attempt,
        job.losses,
        job.run_at,
        outcome="cancelled",
        result=result,
        event="cancelled",
        actor=actor,
        detail=reason,
    )


def _back(arrow: Arrow, outcome: str, job: LiveJob, run_at: float, reason: str = "") -> RunEnd:
    if job.cancel_requested:
        return cancelled(job, "system", f"{outcome} after a cancel was requested")
    return RunEnd(arrow, State.PENDING, job.attempt, job.losses, run_at, outcome=outcome, event=outcome, detail=reason)


def _fail(
    arrow: Arrow,
    outcome: str,
    job: LiveJob,
    policy: QueuePolicy,
    error: RunError,
    now: float,
    retry_after: float | None = None,
    losses: int | None = None,
) -> RunEnd:
    attempt = job.attempt + 1
    losses = job.losses if losses is None else losses
    again = error.retryable and attempt < job.max_attempts
    if again and job.cancel_requested:
        return cancelled(job, "system", f"{outcome} after a cancel was requested")
    if not again:
        return RunEnd(arrow, State.FAILED, attempt, losses, job.run_at, outcome=outcome, error=error)
    wait = backoff(attempt, policy.backoff) if retry_after is None else retry_after
    return RunEnd(arrow, State.PENDING, attempt, losses, now + wait, outcome=outcome, error=error)


def _lost(job: LiveJob, policy: QueuePolicy, vanished: int, now: float) -> RunEnd:
    """A delivery that never arrived costs nothing. But one that kills its worker before the receipt looks the same: such a
    job comes back apart from the others that vanished with it, and after a few times its runs count."""
    if not job.received and vanished <= MAX_VANISHED:
        if job.cancel_requested:
            return cancelled(job, "system", "never received; a cancel was requested")
        run_at = job.run_at if vanished <= 1 else now + apart(vanished)
        return RunEnd(Arrow.RESCUE, State.PENDING, job.attempt, job.losses, run_at, vanished=vanished)
    losses = job.losses + 1
    if losses >= MAX_LOSSES:
        error = RunError("POISON", f"Lost with its worker {losses} times{_where(job)}.", False)
    else:
        error = RunError("WORKER_LOST", f"The worker was lost{_where(job)}.", True)
    return _fail(Arrow.RESCUE, "lost", job, policy, error, now, losses=losses)


def _timeout_error(job: LiveJob, policy: QueuePolicy) -> RunError:
    return RunError("TIMEOUT", f"Exceeded {policy.timeout:g} seconds{_where(job)}.", True)


def _where(job: LiveJob) -> str:
    return f" in step '{job.step}'" if job.step else ""
