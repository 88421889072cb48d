"""Claiming jobs, and giving back what nobody wants any more. Lives in the gRPC loop.

A claim that is under way cannot be taken back, and may be answered with a job. So it is always waited for, in short turns,
and what it brings to a caller who has gone is given back. The same goes for a job whose records could not be read, and for
every job that is still held when the queue is closed: none of them waits for its lease to lapse.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

import uuid_utils

from jobline.calls import Calls
from jobline.client.job_input import read_input
from jobline.client.models import Json
from jobline.database_queue.leases import Claim, Leases
from jobline.database_queue.values import JOB_TYPES, ClaimedJob
from jobline.errors import Cancelled, JoblineError, StaleLease
from jobline.stubs import work_stub
from jobline.v1 import work_service_pb2 as pb
from jobline.worker.handlers import label

__all__ = ["Claims"]

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds of one turn of waiting for a job; whoever hangs up, or closes the queue, waits for its end.
_TURN = 2.0


class Claims:
    """The claims of one queue object, those under way included. `deadline` is the time for one call, in seconds."""

    def __init__(self, calls: Calls, deadline: float) -> None:
        self._calls = calls
        self._deadline = deadline
        self._leases = Leases(calls)
        self._background: set[asyncio.Task[Any]] = set()
        self.closed = False

    async def claim(self, kinds: tuple[str, ...], wait: float) -> ClaimedJob | None:
        """The next due job, waiting up to `wait` seconds for it; None also when the queue is closed meanwhile."""
        ends_at = _now() + wait
        while True:
            assignment = await self._turn(kinds, min(_TURN, max(0.0, ends_at - _now())))
            if self.closed:
                return None
            if assignment is not None:
                return await self._laid_together(assignment)
            if _now() >= ends_at:
                return None

    def token(self, job_id: str) -> str:
        """Raises StaleLease for a job that is not claimed here, or is known to be lost."""
        claim = self._leases.of(job_id)
        if claim.over:
            raise StaleLease(f"the lease of job {job_id} is lost")
        return claim.token

    def of(self, job_id: str) -> Claim:
        """Raises StaleLease for a job that is not claimed here."""
        return self._leases.of(job_id)

    def end(self, claim: Claim) -> None:
        """The job has ended, or is known to be another's."""
        self._leases.end(claim)

    async def close(self) -> None:
        """Gives back what has not ended."""
        self.closed = True
        while self._background:
            await asyncio.wait(self._background)
        await asyncio.gather(*(self._give_back(claim, "the queue was closed") for claim in self._leases.take_all()))
        self._leases.close()

    # ---- claiming ------------------------------------------------------------------------------------------------------

    async def _turn(self, kinds: tuple[str, ...], wait: float) -> pb.Assignment | None:
        turn = self._later(self._ask(kinds, wait))
        try:
            return await asyncio.shield(turn)
        except asyncio.CancelledError:
            self._later(self._give_back_what_comes(turn))
            raise

    async def _ask(self, kinds: tuple[str, ...], wait: float) -> pb.Assignment | None:
        asked_at = _now()
        request = pb.ClaimJobsRequest(
            queues={JOB_TYPES[kind].queue for kind in kinds},
            kinds=kinds,
            worker=label(),
            request_id=str(uuid_utils.uuid4()),
        )
        request.wait.FromMilliseconds(round(wait * 1000))
        response = await self._calls.unary(
            lambda channel: work_stub(channel).ClaimJobs, request, idempotent=True, deadline=wait + self._deadline
        )
        for assignment, terms in zip(response.assignments, response.queues, strict=True):
            seconds = terms.lease.ToTimedelta().total_seconds()
            self._leases.add(Claim(assignment.job_id, assignment.lease_token, seconds), asked_at)
            return assignment
        return None

    async def _laid_together(self, assignment: pb.Assignment) -> ClaimedJob:
        """The job with its records in the payload; given back if they cannot be read."""
        payload = json.loads(assignment.payload_json)
        if JOB_TYPES[assignment.kind].has_records:
            try:
                payload["records"] = await self._records(assignment)
            except BaseException:
                self._later(self._give_back_job(assignment.job_id))
                raise
        return ClaimedJob(assignment.job_id, assignment.kind, payload)

    async def _records(self, assignment: pb.Assignment) -> list[Json]:
        records: list[Json] = []
        chunks = read_input(self._calls, assignment.job_id, assignment.lease_token, deadline=self._deadline)
        async for _, _, values in chunks:
            records += values
        return records

    # ---- giving back ---------------------------------------------------------------------------------------------------

    async def _give_back_what_comes(self, turn: asyncio.Task[pb.Assignment | None]) -> None:
        """The caller has gone before the answer."""
        with contextlib.suppress(JoblineError):
            if (assignment := await turn) is not None:
                await self._give_back_job(assignment.job_id)

    async def _give_back_job(self, job_id: str) -> None:
        with contextlib.suppress(StaleLease):
            claim = self._leases.of(job_id)
            self._leases.end(claim)
            await self._give_back(claim, "its claimer has gone")

    async def _give_back(self, claim: Claim, reason: str) -> None:
        request = pb.ReleaseJobRequest(job_id=claim.job_id, lease_token=claim.token, reason=reason)
        try:
            await self._calls.unary(
                lambda channel: work_stub(channel).ReleaseJob, request, idempotent=True, deadline=self._deadline
            )
        except (StaleLease, Cancelled):
            pass  # it is another's already
        except JoblineError as error:
            log.warning("job %s could not be given back and waits for its lease: %s", claim.job_id, error)

    def _later(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begins what is finished even if its caller goes away."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task


def _now() -> float:
    return asyncio.get_running_loop().time()
