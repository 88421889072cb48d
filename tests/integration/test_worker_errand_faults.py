"""Errands while the queue service is killed, frozen or cut off, and while it is another."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from jobline.calls import Calls
from jobline.client import AsyncJoblineClient, JobState
from jobline.v1 import work_service_pb2
from jobline.worker import CancelReason, ErrandReport, Json, Run, pipeline, step
from jobline_local.ports import free_port
from support.errand_world import enqueue, errands, job_of, open_gate, states
from support.eventually import eventually
from support.gated_pipelines import GatePipeline
from support.queue_service import QueueServiceUnderTest
from support.tcp_proxy import tcp_proxy


@pytest.fixture
def service(lent_service: QueueServiceUnderTest) -> QueueServiceUnderTest:
    return lent_service


async def test_an_outcome_is_answered_after_a_restart_of_the_queue_service(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    gate = GatePipeline()
    (job_id,) = await enqueue(client, 1)
    async with errands(service.address, gate) as runner:
        errand = asyncio.create_task(runner.run("test"))
        await gate.entered()
        service.kill()
        gate.open.set()
        await asyncio.to_thread(service.start)
        assert await asyncio.wait_for(errand, 30) == ErrandReport(1, 1, 0, complete=True)
    job = await job_of(client, job_id)
    assert (job.state, job.attempt) == (JobState.SUCCEEDED, 1)


async def test_a_run_that_nobody_hears_stops_by_itself(service: QueueServiceUnderTest, client: AsyncJoblineClient):
    gate = GatePipeline()
    (job_id,) = await enqueue(client, 1, queue="brief")
    async with tcp_proxy(service.address) as proxy, errands(proxy.address, gate) as runner:
        errand = asyncio.create_task(runner.run("brief", claim_for=3))
        await gate.entered()
        proxy.refuse()
        await asyncio.wait_for(gate.runs[0].cancelled.wait(), 10)
        assert gate.runs[0].cancelled.reason is CancelReason.LOST
        proxy.heal()
        await asyncio.wait_for(errand, 30)

        async def rescued() -> bool:
            return (await job_of(client, job_id)).attempt == 1

        await eventually(rescued, within=20)


async def test_connections_that_break_again_and_again_lose_and_repeat_nothing(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    ran: list[int] = []

    @pipeline("count")
    class Count:
        @step
        async def count(self, run: Run) -> Json:
            ran.append(run.payload)
            await asyncio.sleep(0.02)
            return run.payload

    ids = await enqueue(client, 120, "count")
    async with tcp_proxy(service.address) as proxy, errands(proxy.address, Count()) as runner:
        calls = asyncio.gather(*(runner.run("test") for _ in range(3)))
        while not calls.done():
            await asyncio.wait({calls}, timeout=0.3)
            proxy.cut()
        reports = await calls
    assert all(report.complete for report in reports)
    assert sum(report.succeeded for report in reports) == 120
    jobs = [await job_of(client, job_id) for job_id in ids]
    assert {(job.state, job.attempt) for job in jobs} == {(JobState.SUCCEEDED, 1)}
    assert [job.result for job in jobs] == list(range(120))
    assert sorted(ran) == list(range(120))


async def test_an_outcome_that_meets_a_frozen_service_is_answered_when_it_thaws(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    gate = GatePipeline()
    (job_id,) = await enqueue(client, 1)
    async with errands(service.address, gate) as runner:
        errand = asyncio.create_task(runner.run("test"))
        await gate.entered()
        service.freeze()
        gate.open.set()
        await asyncio.wait({errand}, timeout=3)
        service.thaw()
        assert await asyncio.wait_for(errand, 30) == ErrandReport(1, 1, 0, complete=True)
    assert (await job_of(client, job_id)).attempt == 1


async def test_the_active_service_is_found_behind_one_that_is_gone_and_a_standby(
    service: QueueServiceUnderTest, client: AsyncJoblineClient, tmp_path: Path
):
    standby = QueueServiceUnderTest(service.database_url, tmp_path)
    standby.start(wait=False)
    try:
        await eventually(lambda: "listening" in standby.log, within=30)
        addresses = [f"127.0.0.1:{free_port()}", standby.address, service.address]
        (job_id,) = await enqueue(client, 1)
        async with errands(addresses, open_gate()) as runner:
            assert await asyncio.wait_for(runner.run("test"), 30) == ErrandReport(1, 1, 0, complete=True)
        assert await states(client, [job_id]) == ["succeeded"]
    finally:
        standby.kill()


async def test_progress_that_its_outcome_has_overtaken_does_not_make_the_outcome_void(
    service: QueueServiceUnderTest, client: AsyncJoblineClient, monkeypatch: pytest.MonkeyPatch
):
    """The report arrives when the run has ended, and is answered before the outcome is."""
    ended, refused = asyncio.Event(), asyncio.Event()
    call = Calls.unary

    async def overtaken(calls: Calls, method: Any, request: Any, **options: Any) -> Any:
        if isinstance(request, work_service_pb2.ReportProgressRequest) and not request.steps:
            await ended.wait()
            try:
                return await call(calls, method, request, **options)
            finally:
                refused.set()
        answer = await call(calls, method, request, **options)
        if isinstance(request, work_service_pb2.CompleteJobRequest):
            ended.set()
            await refused.wait()
            for _ in range(20):
                await asyncio.sleep(0)  # the session hears of the refusal
        return answer

    monkeypatch.setattr(Calls, "unary", overtaken)
    await enqueue(client, 1)
    async with errands(service.address, open_gate()) as runner:
        assert await asyncio.wait_for(runner.run("test"), 30) == ErrandReport(1, 1, 0, complete=True)
