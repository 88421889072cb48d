"""One run of a job, as the pipeline sees it: the input, what is done so far, and the ways to talk back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor as Pool
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from jobline.v1 import job_pb2, work_service_pb2
from jobline.worker.cancel import CancelToken
from jobline.worker.errors import TransientError, TriesExhausted
from jobline.worker.pipeline import Json

__all__ = ["Delivery", "Reporter", "Run", "Terms"]

T = TypeVar("T")

#: JobService cuts progress messages to this many characters; cutting here saves the bytes.
_MAX_PROGRESS_MESSAGE = 255


_NOTHING_DONE = job_pb2.Progress()


@dataclass(frozen=True, slots=True)
class Terms:
    """What a worker needs to know of a queue's policy (QueueTerms); times in seconds."""

    lease: float = 30.0
    #: How soon after its assignment the service must have heard of a job.
    receipt: float = 10.0
    timeout: float | None = None
    step_tries: int = 1
    step_backoff: tuple[float, ...] = ()

    @classmethod
    def from_proto(cls, terms: work_service_pb2.QueueTerms) -> Terms:
        return cls(
            lease=terms.lease.ToTimedelta().total_seconds(),
            receipt=terms.receipt.ToTimedelta().total_seconds() if terms.HasField("receipt") else 10.0,
            timeout=terms.timeout.ToTimedelta().total_seconds() if terms.HasField("timeout") else None,
            step_tries=max(1, terms.step_tries),
            step_backoff=tuple(wait.ToTimedelta().total_seconds() for wait in terms.step_backoff),
        )

    def backoff_after(self, tries: int) -> float:
        """Seconds to wait after `tries` failed tries of a call; the last wait repeats."""
        return self.step_backoff[min(tries, len(self.step_backoff)) - 1] if self.step_backoff else 0.0


class Delivery:
    """A job that was handed to this worker, from its arrival until its outcome is answered.

    `received_at` is on the clock of the session, in seconds.
    """

    __slots__ = (
        "assignment",
        "cancel",
        "ended",
        "ends_early",
        "job_id",
        "lease_token",
        "received_at",
        "terms",
        "uninterrupted",
    )

    def __init__(self, assignment: work_service_pb2.Assignment, terms: Terms, received_at: float = 0.0) -> None:
        self.assignment = assignment
        #: Read once: every reading of a message's text makes a new string.
        self.job_id = assignment.job_id
        self.lease_token = assignment.lease_token
        self.terms = terms
        self.received_at = received_at
        self.cancel = CancelToken()
        #: True once the run has an outcome, or will not have one. Whoever sets it speaks for the run; nobody after.
        self.ended = False
        #: True from the beginning of a step that nothing interrupts until another step begins. Written by the handlers.
        self.uninterrupted = False
        #: True once the run has looked whether there is little time left: it may be able to end in that.
        self.ends_early = False


class Reporter(Protocol):
    """Where a run's progress, finished steps and questions go. Progress may be reported from any thread."""

    def progress(self, delivery: Delivery, progress: job_pb2.Progress, *, at_once: bool) -> None: ...

    async def step(self, delivery: Delivery, output: job_pb2.StepOutput) -> work_service_pb2.StepStatus.ValueType: ...

    async def confirm(self, delivery: Delivery) -> None:
        """Returns once it is known whether the run holds its lease; its token has been fired if it should stop."""


class Run:
    """One run of one job. A pipeline gets it in every step; it is valid until the run ends.

    `payload` is the decoded input, `outputs` the finished steps' outputs by name (those of earlier runs included),
    `seconds` how long each of them took. A run that is about to do what cannot be taken back, such as handing over a
    message, asks with `confirm` first whether it still is the one to do it.
    """

    __slots__ = (
        "_delivery",
        "_pool",
        "_progress",
        "_reporter",
        "_started",
        "_step_started",
        "_stopping",
        "outputs",
        "payload",
        "seconds",
    )

    def __init__(
        self, delivery: Delivery, payload: Json, reporter: Reporter, pool: Callable[[], Pool], stopping: CancelToken
    ) -> None:
        self.payload = payload
        self.outputs: dict[str, Json] = {}
        self.seconds: dict[str, float] = {}
        self._delivery = delivery
        self._reporter = reporter
        self._pool = pool
        self._stopping = stopping
        self._progress = _NOTHING_DONE
        self._started = self._step_started = time.monotonic()

    @property
    def id(self) -> str:
        return self._delivery.job_id

    @property
    def lease_token(self) -> str:
        """The secret that proves to the queue service that a call is made for this run. Never log or store it."""
        return self._delivery.lease_token

    @property
    def queue(self) -> str:
        return self._delivery.assignment.queue

    @property
    def kind(self) -> str:
        return self._delivery.assignment.kind

    @property
    def owner(self) -> str:
        return self._delivery.assignment.owner

    @property
    def number(self) -> int:
        """Which run of the job this is, from 1; runs that did not count share a number."""
        return self._delivery.assignment.attempt

    @property
    def max_attempts(self) -> int:
        return self._delivery.assignment.max_attempts

    @property
    def correlation_id(self) -> str:
        return self._delivery.assignment.correlation_id

    @property
    def labels(self) -> Mapping[str, str]:
        return self._delivery.assignment.labels

    @property
    def cancelled(self) -> CancelToken:
        """Whether the run should stop: a caller cancelled the job, the lease was lost, or the worker shuts down."""
        return self._delivery.cancel

    @property
    def stopping(self) -> CancelToken:
        """Whether little time is left: the time of the call that runs the job is up, or the worker shuts down.

        For a run that can end well before all its work is done; the others need not look. It either returns with what it
        has, or gives the job back by `stopping.raise_if_set()`: without an attempt counted, to go on later. An errand
        whose time is up waits 2 seconds for runs that have looked here before it interrupts them, a worker that shuts
        down for its drain time-out.
        """
        self._delivery.ends_early = True
        return self._stopping

    @property
    def elapsed(self) -> float:
        """Seconds since this run began."""
        return time.monotonic() - self._started

    @property
    def step_elapsed(self) -> float:
        """Seconds since the present step began."""
        return time.monotonic() - self._step_started

    @property
    def step(self) -> str:
        """The name of the step that runs now; empty before the first."""
        return self._progress.step

    @property
    def tries(self) -> int:
        """How often the queue's policy has a transient error of one call tried, the first try included."""
        return self._delivery.terms.step_tries

    def progress(self, current: int | None = None, total: int | None = None, message: str | None = None) -> None:
        """Tells how far the step has come; what is left out keeps its value. From any thread; the latest wins.

        0 ≤ current ≤ total. A message is cut at 255 characters.
        """
        latest = job_pb2.Progress()
        latest.CopyFrom(self._progress)
        if current is not None:
            latest.current = current
        if total is not None:
            latest.total = total
        if message is not None:
            latest.message = message[:_MAX_PROGRESS_MESSAGE]
        if not 0 <= latest.current <= latest.total:
            raise ValueError(f"progress: expected 0 ≤ current ≤ total, got {latest.current} of {latest.total}")
        self._progress = latest
        self._reporter.progress(self._delivery, latest, at_once=False)

    def enter(self, step: str, *, tell: bool) -> None:
        """Called by the executor when a step begins: if told, clients see its name at once, with nothing done yet."""
        self._step_started = time.monotonic()
        self._progress = job_pb2.Progress(step=step)
        if tell:
            self._reporter.progress(self._delivery, self._progress, at_once=True)

    async def confirm(self) -> None:
        """Asks the queue service whether this run still holds its lease: for right before what cannot be taken back.

        Returns if the service has said so after the call. Raises RunStopped if a cancel was requested, or if the lease is
        lost: because the service says so, or because nobody answered for as long as the worker may trust in it. A lease
        may be lost a moment later; what must not be interrupted then belongs into a step with `uninterrupted=True`.
        """
        self.cancelled.raise_if_set()
        await self._reporter.confirm(self._delivery)
        self.cancelled.raise_if_set()

    async def attempt(
        self,
        call: Callable[[], Awaitable[T]],
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - of each try, not of the whole, which `asyncio.timeout` gives
    ) -> T:
        """Awaits `call()`, again after a TransientError or a time-out, as the queue's policy says.

        Each try may take `timeout` seconds. Tries and waits come from the policy's `step_tries` and `step_backoff`; when
        they are used up, TriesExhausted is raised. Other errors pass at once.
        """
        attempts = AsyncRetrying(
            retry=retry_if_exception_type((TransientError, TimeoutError)),
            stop=stop_after_attempt(self.tries),
            wait=self._wait_before_next_try,
            retry_error_callback=_give_up,
        )
        return await attempts(_within, call, timeout)

    async def in_process(self, function: Callable[..., T], *arguments: Any) -> T:
        """Runs a function in the worker's process pool, for work that would keep this process's cores busy.

        Function, arguments and result must be picklable; the function must be importable from its module.
        """
        return await asyncio.get_running_loop().run_in_executor(self._pool(), function, *arguments)

    def _wait_before_next_try(self, state: RetryCallState) -> float:
        return self._delivery.terms.backoff_after(state.attempt_number)


async def _within(call: Callable[[], Awaitable[T]], seconds: float | None) -> T:
    """`await call()` in at most so many seconds; its TimeoutError says so in words."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await call()
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise TimeoutError(f"timeout: no answer within {seconds:g} seconds") from error


def _give_up(state: RetryCallState) -> Any:
    assert state.outcome is not None
    cause = state.outcome.exception()
    assert isinstance(cause, TransientError | TimeoutError)
    raise TriesExhausted(cause, state.attempt_number) from cause
