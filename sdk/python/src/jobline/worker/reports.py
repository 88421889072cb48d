"""Progress, finished steps and questions on their way.

They are unlike. Progress is worth only its latest value and may be lost; it comes from any thread, possibly very often,
so it is kept by job and sent a few times a second. A finished step must be stored before the next one begins: it is kept
until its answer, sent again when none comes or the stream is a new one, and its run waits. A question, whether a run still
holds its lease, is put by a heartbeat: the session composes it, and knows by counting which answer is the one to it. An
answer to a heartbeat from before the question proves nothing.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from jobline.v1 import job_pb2, work_service_pb2
from jobline.worker.run import Delivery

__all__ = ["PROGRESS_EVERY", "ReportBuffer"]

#: Seconds between two messages that carry nothing but progress within a step.
PROGRESS_EVERY = 0.1

_RETRY_AFTER = 0.5

RETRY = work_service_pb2.STEP_STATUS_RETRY
LOST = work_service_pb2.STEP_STATUS_LOST

StepStatus: TypeAlias = work_service_pb2.StepStatus.ValueType
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Pending:
    report: work_service_pb2.StepReport
    delivery: Delivery
    answered: Callable[[StepStatus], None]
    due: float = 0.0
    #: When it was last sent and not answered since; None: it waits.
    sent_at: float | None = None


@dataclass(slots=True, eq=False)
class _Question:
    delivery: Delivery
    answered: Callable[[None], None]
    #: How many statuses the service will have told when it has answered; None: not asked yet.
    answered_at: int | None = None


class ReportBuffer:
    """What runs report until it is sent (progress) or answered (steps, questions).

    `progress`, `step` and `confirm` may be called from other threads than the stream's; `post` runs a function in the
    stream's loop, `wake` (also there) has the next message composed.
    """

    def __init__(self, post: Callable[..., object], wake: Callable[[], None]) -> None:
        self._post = post
        self._wake = wake
        self._lock = threading.Lock()
        self._progress: dict[str, tuple[Delivery, job_pb2.Progress]] = {}
        self._urgent = False
        self._progress_sent_at = float("-inf")
        self._steps: dict[tuple[str, str], _Pending] = {}
        self._questions: list[_Question] = []

    def progress(self, delivery: Delivery, progress: job_pb2.Progress, *, at_once: bool) -> None:
        with self._lock:
            self._progress[delivery.job_id] = (delivery, progress)
            wake = at_once and not self._urgent
            self._urgent = self._urgent or at_once
        if wake:
            self._post(self._wake)

    async def step(self, delivery: Delivery, output: job_pb2.StepOutput) -> StepStatus:
        """Waits until the step is stored, or cannot be: STORED, LOST or INVALID."""
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[StepStatus] = loop.create_future()
        report = work_service_pb2.StepReport(job_id=delivery.job_id, lease_token=delivery.lease_token, step=output)
        self._post(
            self._add_step,
            _Pending(report, delivery, lambda status: _resolve(loop, stored, status)),
        )
        return await stored

    async def confirm(self, delivery: Delivery) -> None:
        """Waits until the service has said whether the run holds its lease, or trust in it has ended."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[None] = loop.create_future()
        self._post(self._add_question, _Question(delivery, lambda nothing: _resolve(loop, answered, nothing)))
        await answered

    def ready(self, now: float) -> bool:
        progress_due = self._progress and (self._urgent or now - self._progress_sent_at >= PROGRESS_EVERY)
        return bool(progress_due) or any(step.sent_at is None and now >= step.due for step in self._steps.values())

    def take(self, now: float, most_bytes: int) -> work_service_pb2.Reports | None:
        """The next message's reports: every job's latest progress and the steps that are due and fit."""
        with self._lock:
            latest, self._progress, self._urgent = self._progress, {}, False
        reports = work_service_pb2.Reports()
        for job_id, (delivery, progress) in latest.items():
            if not delivery.ended:
                token = delivery.lease_token
                reports.progress.add(job_id=job_id, lease_token=token, progress=progress)
        self._progress_sent_at = now
        size = 0
        for pending in self._steps.values():
            if pending.sent_at is not None or now < pending.due:
                continue
            size += pending.report.ByteSize()
            if reports.steps and size > most_bytes:
                break
            pending.sent_at = now
            reports.steps.append(pending.report)
        return reports if reports.progress or reports.steps else None

    def answer(self, ack: work_service_pb2.StepAck, now: float) -> None:
        pending = self._steps.get((ack.job_id, ack.step))
        if pending is None or pending.sent_at is None:
            return
        if ack.status == RETRY:
            pending.sent_at, pending.due = None, now + _RETRY_AFTER
            return
        del self._steps[ack.job_id, ack.step]
        pending.answered(ack.status)

    def asking(self) -> set[Delivery]:
        """The runs that wait for word about their leases."""
        return {question.delivery for question in self._questions}

    def to_ask(self) -> list[str]:
        """The tokens of leases that are in question and in no heartbeat yet."""
        return [question.delivery.lease_token for question in self._questions if question.answered_at is None]

    def asked(self, answered_at: int) -> None:
        """Every question is in a heartbeat now, which is answered once so many statuses have been told on this stream."""
        for question in self._questions:
            if question.answered_at is None:
                question.answered_at = answered_at

    def told(self, statuses: int) -> None:
        """So many statuses have been told on this stream, and what they say about runs has been done."""
        settled = [q for q in self._questions if q.answered_at is not None and q.answered_at <= statuses]
        self._settle(settled)

    def unanswered(self) -> None:
        """No answer will come any more to heartbeats that were sent."""
        for question in self._questions:
            question.answered_at = None

    def lost(self, delivery: Delivery) -> None:
        """The run's lease is lost: its step will never be answered, and its question is."""
        self._settle([question for question in self._questions if question.delivery is delivery])
        for key, pending in list(self._steps.items()):
            if pending.delivery is delivery:
                del self._steps[key]
                pending.answered(LOST)

    def stream_ended(self) -> None:
        for pending in self._steps.values():
            pending.sent_at = None

    def repeat_unanswered(self, sent_before: float) -> None:
        """Sends the steps again that were sent before then and not answered; storing one twice is harmless."""
        for pending in self._steps.values():
            if pending.sent_at is not None and pending.sent_at < sent_before:
                pending.sent_at = None

    def _add_step(self, pending: _Pending) -> None:
        if pending.delivery.ended:
            pending.answered(LOST)
            return
        self._steps[pending.report.job_id, pending.report.step.name] = pending
        self._wake()

    def _add_question(self, question: _Question) -> None:
        self._questions.append(question)
        if question.delivery.ended or question.delivery.cancel.is_set():
            self._settle([question])
        else:
            self._wake()

    def _settle(self, questions: list[_Question]) -> None:
        for question in questions:
            self._questions.remove(question)
            question.answered(None)


def _resolve(loop: asyncio.AbstractEventLoop, future: asyncio.Future[T], value: T) -> None:
    def resolve() -> None:
        if not future.done():
            future.set_result(value)

    if not loop.is_closed():
        loop.call_soon_threadsafe(resolve)
