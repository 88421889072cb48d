"""Outcomes on their way: kept from the end of a run until the service has answered.

An outcome may be sent any number of times and counts once, so the buffer's one duty is never to lose one. It waits,
travels, and is answered; the end of a stream puts everything that travelled back to the front. There are no timers and
no fixed batch sizes: everything that waits while a message is being written goes into the next (group commit), so
batches grow with the load and vanish without it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from jobline.v1 import job_pb2, work_service_pb2
from jobline.worker.errors import JobFailure

__all__ = ["Answer", "OutcomeBuffer"]

COMMITTED = work_service_pb2.OUTCOME_STATUS_COMMITTED
ALREADY_COMMITTED = work_service_pb2.OUTCOME_STATUS_ALREADY_COMMITTED
INVALID = work_service_pb2.OUTCOME_STATUS_INVALID
RETRY = work_service_pb2.OUTCOME_STATUS_RETRY

#: Waits before an outcome that was answered RETRY goes out again, in seconds; the last one repeats.
_RETRY_WAITS = (0.2, 0.5, 1.0, 2.0, 5.0)

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer means for the job: whether it is done with, and what is worth a line in the log."""

    settled: bool
    complaint: str = ""


_SETTLED, _UNSETTLED = Answer(settled=True), Answer(settled=False)


class OutcomeBuffer:
    """The unanswered outcomes of one session, at most one for each lease and job."""

    def __init__(self) -> None:
        self._waiting: deque[work_service_pb2.Outcome] = deque()
        self._sent: dict[_Key, work_service_pb2.Outcome] = {}
        self._later: list[work_service_pb2.Outcome] = []
        self._later_due = 0.0
        self._retries = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._sent) + len(self._later)

    def ready(self, now: float) -> bool:
        """Whether there is something to send now."""
        return bool(self._waiting) or (bool(self._later) and now >= self._later_due)

    def add(self, outcome: work_service_pb2.Outcome) -> None:
        self._waiting.append(outcome)

    def take(self, now: float, most: int, most_bytes: int) -> list[work_service_pb2.Outcome]:
        """The next outcomes to send, in order: as many as fit, and one even if it does not."""
        if self._later and now >= self._later_due:
            self._waiting.extendleft(reversed(self._later))
            self._later.clear()
        waiting, size = self._waiting, 0
        taken: list[work_service_pb2.Outcome] = []
        while waiting and len(taken) < most:
            size += waiting[0].ByteSize()
            if taken and size > most_bytes:
                break
            outcome = waiting.popleft()
            self._sent[outcome.lease_token, outcome.job_id] = outcome
            taken.append(outcome)
        return taken

    def drop(self, token: str, job_id: str) -> None:
        """Forgets an outcome of a lost lease, about which nothing should be said any more."""
        if self._sent.pop((token, job_id), None) is not None:
            return
        self._waiting = deque(o for o in self._waiting if (o.lease_token, o.job_id) != (token, job_id))
        self._later = [o for o in self._later if (o.lease_token, o.job_id) != (token, job_id)]

    def stream_ended(self) -> None:
        """Whatever was sent and not answered goes again, before everything else."""
        self._waiting.extendleft(reversed(self._sent.values()))
        self._sent.clear()

    def answer(self, ack: work_service_pb2.OutcomeAck, now: float) -> Answer:
        outcome = self._sent.pop((ack.lease_token, ack.job_id), None)
        if outcome is None:
            return _UNSETTLED
        status = ack.status
        if status == RETRY:
            self._put_off(outcome, now)
            return _UNSETTLED
        if status == INVALID:
            return self._replace(outcome, ack.detail)
        self._retries = 0
        return _SETTLED

    def _put_off(self, outcome: work_service_pb2.Outcome, now: float) -> None:
        if not self._later:
            self._later_due = now + _RETRY_WAITS[min(self._retries, len(_RETRY_WAITS) - 1)]
            self._retries += 1
        self._later.append(outcome)

    def _replace(self, outcome: work_service_pb2.Outcome, detail: str) -> Answer:
        """The service cannot store this outcome, and the run still holds its lease: say so as a failure, once."""
        complaint = f"job {outcome.job_id}: the queue service refused the outcome: {detail}"
        if outcome.failed.error.code == "RESULT_REJECTED":
            return Answer(settled=True, complaint=complaint)
        failure = JobFailure("RESULT_REJECTED", f"the outcome could not be stored: {detail}", retryable=False)
        error = job_pb2.JobError(code=failure.code, message=failure.message, retryable=failure.retryable)
        self.add(
            work_service_pb2.Outcome(
                job_id=outcome.job_id,
                lease_token=outcome.lease_token,
                failed=work_service_pb2.Failed(error=error),
            )
        )
        return Answer(settled=False, complaint=complaint)
