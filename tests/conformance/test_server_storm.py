"""C10, F11: the active service stops, or is killed, under two hundred work streams that all hold a job."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
import uuid
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from jobline.channel import bearer, grpc_loop, open_channel
from jobline.v1 import work_service_pb2 as pb
from jobline.v1 import work_service_pb2_grpc
from jobline.worker.transport import Reconnect
from support.eventually import eventually_blocking
from support.queue_calls import Calls, new_job
from support.queue_service import QueueServiceUnderTest, queue_service

STREAMS = 200
#: Seconds of lease that the members reckon with. They have four times as much, for 200 streams keep a small machine busy.
LEASE = 15.0
POLICIES = """
[queues.storm]
lease = "60s"
receipt = "60s"
"""


class Member:
    """One of many: holds one job, keeps its lease, and reconnects as the protocol says, with the SDK's waits."""

    def __init__(self, addresses: list[str], token: str) -> None:
        self._reconnect = Reconnect(addresses)
        self._metadata = bearer(token)
        self._session = str(uuid.uuid4())
        self.run: pb.Assignment | None = None
        self.states: list[int] = []
        self.welcomed_at: list[float] = []
        self.tries = 0
        self.finish = asyncio.Event()
        self.answer = 0

    async def live(self) -> None:
        while not self.answer:
            started = time.monotonic()
            inactive = False
            try:
                await self._stream()
            except aio.AioRpcError as error:
                inactive = error.code() is grpc.StatusCode.UNAVAILABLE and "not active" in str(error.details())
            wait = self._reconnect.after(time.monotonic() - started, LEASE if self.run else None, inactive=inactive)
            await asyncio.sleep(wait)

    async def _stream(self) -> None:
        self.tries += 1
        async with open_channel(self._reconnect.address) as channel:
            call = work_service_pb2_grpc.WorkServiceStub(channel).Work(metadata=self._metadata)
            try:
                await call.write(pb.WorkRequest(hello=self._hello()))
                first = await call.read()
                if first is aio.EOF:
                    raise await _error_of(call)
                self.welcomed_at.append(time.time())
                self.states += [lease.state for lease in first.welcome.leases]
                await call.write(self._capacity())
                await self._converse(call)
            finally:
                call.cancel()

    async def _converse(self, call: Any) -> None:
        writer = asyncio.create_task(self._finish_when_told(call))
        try:
            while (message := await call.read()) is not aio.EOF:
                for run in message.assignments.assignments:
                    self.run = run
                for ack in message.outcome_acks.acks:
                    self.answer = ack.status
                    return
        finally:
            writer.cancel()
        raise await _error_of(call)

    async def _finish_when_told(self, call: Any) -> None:
        await self.finish.wait()
        assert self.run is not None
        outcome = pb.Outcome(job_ids=[self.run.job_id], lease_token=self.run.lease_token, completed=pb.Completed())
        with contextlib.suppress(aio.AioRpcError, asyncio.InvalidStateError):
            await call.write(pb.WorkRequest(outcomes=pb.Outcomes(outcomes=[outcome])))

    def _held(self) -> list[pb.HeldLeases]:
        return [pb.HeldLeases(lease_token=self.run.lease_token, job_ids=[self.run.job_id])] if self.run else []

    def _hello(self) -> pb.Hello:
        return pb.Hello(session_id=self._session, name="storm", queues=["storm"], kinds=["test"], held=self._held())

    def _capacity(self) -> pb.WorkRequest:
        return pb.WorkRequest(
            capacity=pb.Capacity(queues=[pb.QueueCapacity(queue="storm", jobs=1)]),
            heartbeat=pb.Heartbeat(held=self._held()),
        )


async def _error_of(call: Any) -> aio.AioRpcError:
    return aio.AioRpcError(await call.code(), aio.Metadata(), await call.trailing_metadata(), await call.details())


@pytest.mark.parametrize("how", ["handed over", "killed"])
def test_two_hundred_streams_move_to_the_standby_and_use_up_no_attempt(
    fresh_database: str, tmp_path: Path, how: str
) -> None:
    with (
        queue_service(fresh_database, tmp_path, POLICIES) as active,
        Calls(active.address, active.operator_token) as calls,
    ):
        standby = QueueServiceUnderTest(fresh_database, tmp_path, POLICIES)
        standby.start(wait=False)
        loop = grpc_loop()
        members = [Member([active.address, standby.address], active.worker_token) for _ in range(STREAMS)]
        lives = [loop.submit(member.live()) for member in members]
        try:
            calls.enqueue(*(new_job("storm", n) for n in range(STREAMS)))
            eventually_blocking(lambda: all(member.run for member in members), within=30, what="each holds a job")
            gone_at = time.time()
            active.stop() if how == "handed over" else active.kill()
            eventually_blocking(
                lambda: all(HELD in member.states for member in members), within=60, what="all have resumed"
            )
            for member in members:
                loop.post(member.finish.set)
            eventually_blocking(lambda: all(member.answer for member in members), within=20, what="all are answered")
        finally:
            for life in lives:
                life.cancel()
            standby.kill()
        counts = active.execute("SELECT attempt, state, count(*) FROM jobline.jobs GROUP BY attempt, state")
        attempts = active.execute("SELECT count(*) FROM jobline.attempts")
    assert counts == [(1, "succeeded", STREAMS)]
    assert attempts == [(0,)], "no run was lost, released or doubled"
    assert {member.answer for member in members} == {pb.OUTCOME_STATUS_COMMITTED}
    back = sorted(member.welcomed_at[-1] - gone_at for member in members)
    tries = statistics.mean(member.tries for member in members)
    assert tries < 15, f"{tries:.1f} tries each"
    assert back[-1] - back[0] > 0.05, "they do not come back in one moment"
    assert standby.faults == []


HELD = pb.LEASE_STATE_HELD
