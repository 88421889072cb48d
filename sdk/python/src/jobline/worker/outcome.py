"""Endings on their way: kept from the end of a run until the service has answered its outcome.

An outcome may be sent any number of times and counts once, so the buffer's one duty is never to lose one. It waits,
travels, and is answered; the end of a stream puts everything that travelled back to the front. There are no timers and
no fixed batch sizes: everything that waits while a message is being written goes into the next (group commit), so
batches grow with the load and vanish without it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from jobline.v1 import work_service_pb2
from jobline.worker.errors import JobFailure
from jobline.worker.results import Ending, Failed

__all__ = ["Answer", "OutcomeBuffer"]

COMMITTED = work_service_pb2.OUTCOME_STATUS_COMMITTED
ALREADY_COMMITTED = work_service_pb2.OUTCOME_STATUS_ALREADY_COMMITTED
INVALID = work_service_pb2.OUTCOME_STATUS_INVALID
RETRY = work_service_pb2.OUTCOME_STATUS_RETRY

#: Waits before an outcome that was answered RETRY goes out again, in seconds; the last one repeats.
_RETRY_WAITS = (0.2, 0.5, 1.0, 2.0, 5.0)

_Key = tuple[str, str]
#: The code of a failure that stands for an outcome that the service would not have.
_REJECTED = "RESULT_REJECTED"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer means for the job: whether it is done with, and what is worth a line in the log."""

    settled: bool
    complaint: str = ""


_SETTLED, _UNSETTLED = Answer(settled=True), Answer(settled=False)


class OutcomeBuffer:
    """The unanswered endings of one session, at most one for each lease and job."""

    def __init__(self) -> None:
        self._waiting: deque[Ending] = deque()
        self._sent: dict[_Key, Ending] = {}
        self._later: list[Ending] = []
        self._later_due = 0.0
        self._retries = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._sent) + len(self._later)

    def ready(self, now: float) -> bool:
        """Whether there is something to send now."""
        return bool(self._waiting) or (bool(self._later) and now >= self._later_due)

    def add(self, ending: Ending) -> None:
        self._waiting.append(ending)

    def take(self, now: float, most: int, most_bytes: int) -> list[Ending]:
        """The next ones to send, in order: as many as fit, and one even if it does not."""
        if self._later and now >= self._later_due:
            self._waiting.extendleft(reversed(self._later))
            self._later.clear()
        waiting, size = self._waiting, 0
        taken: list[Ending] = []
        while waiting and len(taken) < most:
            size += waiting[0].size
            if taken and size > most_bytes:
                break
            ending = waiting.popleft()
            self._sent[ending.lease_token, ending.job_id] = ending
            taken.append(ending)
        return taken

    def drop(self, token: str, job_id: str) -> None:
        """Forgets an ending under a lost lease, about which nothing should be said any more."""
        if self._sent.pop((token, job_id), None) is not None:
            return
        self._waiting = deque(each for each in self._waiting if each[:2] != (token, job_id))
        self._later = [each for each in self._later if each[:2] != (token, job_id)]

    def stream_ended(self) -> None:
        """Whatever was sent and not answered goes again, before everything else."""
        self._waiting.extendleft(reversed(self._sent.values()))
        self._sent.clear()

    def answer(
        self, token: str, job_id: str, status: work_service_pb2.OutcomeStatus.ValueType, detail: str, now: float
    ) -> Answer:
        ending = self._sent.pop((token, job_id), None)
        if ending is None:
            return _UNSETTLED
        if status == RETRY:
            self._put_off(ending, now)
            return _UNSETTLED
        if status == INVALID:
            return self._replace(ending, detail)
        self._retries = 0
        return _SETTLED

    def _put_off(self, ending: Ending, now: float) -> None:
        if not self._later:
            self._later_due = now + _RETRY_WAITS[min(self._retries, len(_RETRY_WAITS) - 1)]
            self._retries += 1
        self._later.append(ending)

    def _replace(self, ending: Ending, detail: str) -> Answer:
        """The service cannot store this outcome, and the run still holds its lease: say so as a failure, once."""
        complaint = f"job {ending.job_id}: the queue service refused the outcome: {detail}"
        match ending.result:
            case Failed(failure) if failure.code == _REJECTED:
                return Answer(settled=True, complaint=complaint)
        failure = JobFailure(_REJECTED, f"the outcome could not be stored: {detail}", retryable=False)
        self.add(ending._replace(result=Failed(failure)))
        return Answer(settled=False, complaint=complaint)
