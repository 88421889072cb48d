"""C7, F22: cancel against complete, thousands of times; one wins, and both callers are told the truth.

Ten thousand rounds take a minute on two busy cores; the usual run has fewer. `CONFORMANCE_ROUNDS=10000` asks for all.
"""

from __future__ import annotations

import asyncio
import os
import random
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from grpc import aio

from jobline.channel import bearer, grpc_loop, open_channel
from jobline.v1 import job_service_pb2, job_service_pb2_grpc, work_service_pb2_grpc
from jobline.v1 import work_service_pb2 as pb
from support.queue_service import QueueServiceUnderTest, queue_service

ROUNDS = int(os.environ.get("CONFORMANCE_ROUNDS", "3000"))
#: Jobs that are held at once; their outcomes and cancels are sent in one shuffled order.
BATCH = 500
CANCELLERS = 64
POLICIES = """
[queues.race]
cancel = "now"
lease = "60s"
receipt = "60s"
"""


class Racer:
    """One stream that holds `BATCH` jobs at a time, and callers that cancel the very jobs whose outcomes it sends."""

    def __init__(self, service: QueueServiceUnderTest) -> None:
        self._service = service
        #: Job id → what the worker, and what the caller, was told.
        self.acks: dict[str, str] = {}
        self.cancels: dict[str, str] = {}
        #: Notified when somebody was told something.
        self._told = asyncio.Condition()
        self._runs: asyncio.Queue[pb.Assignment] = asyncio.Queue()

    async def run(self) -> None:
        async with open_channel(self._service.address) as channel:
            self._jobs = job_service_pb2_grpc.JobServiceStub(channel)
            call = work_service_pb2_grpc.WorkServiceStub(channel).Work(metadata=bearer(self._service.worker_token))
            hello = pb.Hello(session_id=str(uuid.uuid4()), name="racer", queues=["race"], kinds=["test"])
            await call.write(pb.WorkRequest(hello=hello))
            capacity = pb.Capacity(queues=[pb.QueueCapacity(queue="race", jobs=BATCH)])
            await call.write(pb.WorkRequest(capacity=capacity))
            reader = asyncio.create_task(self._read(call))
            for _ in range(ROUNDS // BATCH):
                await self._round(call)
            reader.cancel()
            call.cancel()

    async def _round(self, call: Any) -> None:
        new = [job_service_pb2.NewJob(queue="race", kind="test", payload_json="0") for _ in range(BATCH)]
        await self._jobs.EnqueueJobs(
            job_service_pb2.EnqueueJobsRequest(jobs=new), metadata=bearer(self._service.operator_token)
        )
        runs = [await self._runs.get() for _ in range(BATCH)]
        random.shuffle(runs)
        todo = iter(runs)
        await asyncio.gather(self._complete(call, runs), *(self._cancel(todo) for _ in range(CANCELLERS)))
        async with self._told:
            await self._told.wait_for(lambda: len(self.acks) == len(self.cancels))

    async def _complete(self, call: Any, runs: list[pb.Assignment]) -> None:
        done = len(self.cancels)
        for start in range(0, BATCH, 10):
            # The cancels under way are those of the next jobs: an outcome of one of them races with its cancel.
            lead = random.randint(-CANCELLERS, CANCELLERS // 2)
            mark = done + min(start + lead, BATCH - CANCELLERS)
            async with self._told:
                await self._told.wait_for(lambda mark=mark: len(self.cancels) >= mark)
            await call.write(pb.WorkRequest(outcomes=completed(runs[start : start + 10])))

    async def _cancel(self, runs: Any) -> None:
        for run in runs:
            try:
                await self._jobs.CancelJob(
                    job_service_pb2.CancelJobRequest(id=run.job_id), metadata=bearer(self._service.operator_token)
                )
                self.cancels[run.job_id] = "ok"
            except aio.AioRpcError as error:
                self.cancels[run.job_id] = error.code().name
            await self._notify()

    async def _read(self, call: Any) -> None:
        while (message := await call.read()) is not aio.EOF:
            for ack in message.outcome_acks.acks:
                status = pb.OutcomeStatus.Name(ack.status).removeprefix("OUTCOME_STATUS_")
                self.acks |= dict.fromkeys(ack.job_ids, status)
            for run in message.assignments.assignments:
                self._runs.put_nowait(run)
            await self._notify()

    async def _notify(self) -> None:
        async with self._told:
            self._told.notify_all()


def completed(runs: list[pb.Assignment]) -> pb.Outcomes:
    """With one outcome for the runs of each lease: some of those that share it are cancelled, others are not."""
    by_lease: dict[str, list[str]] = {}
    for run in runs:
        by_lease.setdefault(run.lease_token, []).append(run.job_id)
    return pb.Outcomes(
        outcomes=[
            pb.Outcome(job_ids=job_ids, lease_token=token, completed=pb.Completed(result_json="1"))
            for token, job_ids in by_lease.items()
        ]
    )


def test_cancel_against_complete_thousands_of_times(fresh_database: str, tmp_path: Path) -> None:
    with queue_service(fresh_database, tmp_path, POLICIES) as service:
        racer = Racer(service)
        grpc_loop().submit(racer.run()).result(100)
        states = dict(service.execute("SELECT id::text, state FROM jobline.jobs"))
        assert service.faults == []
    told = Counter((racer.acks[job_id], racer.cancels[job_id], state) for job_id, state in states.items())
    assert sum(told.values()) == ROUNDS
    assert set(told) == {("COMMITTED", "FAILED_PRECONDITION", "succeeded"), ("CANCELLED", "ok", "cancelled")}, told
    assert min(told.values()) > ROUNDS // 50, f"a race that one side always wins is none: {told}"
