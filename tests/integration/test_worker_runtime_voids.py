"""Runs that ask whether they hold their lease, and steps that nothing interrupts, over the work stream."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from jobline.client import AsyncJoblineClient, JobDetails, JobState
from jobline.worker import CancelReason, Json, PermanentError, Run, Worker, handlers, pipeline, step
from support.eventually import eventually
from support.gated_pipelines import Gate, SendPipeline
from support.queue_service import QueueServiceUnderTest
from support.tcp_proxy import tcp_proxy


@pytest.fixture
def service(lent_service: QueueServiceUnderTest) -> QueueServiceUnderTest:
    return lent_service


@asynccontextmanager
async def running_worker(address: str, target: object, drain_timeout: float = 5.0) -> AsyncIterator[Worker]:
    worker = Worker(
        address,
        QueueServiceUnderTest.worker_token,
        queues={"test": 1, "now": 1, "brief": 1},
        pipelines=[target],
        drain_timeout=drain_timeout,
    )
    life = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await asyncio.wait_for(life, 30)


async def voids(client: AsyncJoblineClient, job_id: str) -> list[str]:
    """What the service noted of runs that did not count."""
    return [event.detail for event in (await client.explain(job_id)).events if event.name == "voided"]


async def details_in(client: AsyncJoblineClient, job_id: str, state: JobState, within: float = 30) -> JobDetails:
    async def check() -> JobDetails | None:
        details = await client.get(job_id)
        return details if details.job.state is state else None

    return await eventually(check, within=within, what=f"job {job_id} is {state}")


@pipeline("send")
class Refused(Gate):
    """Hands over to somebody who refuses it in the end."""

    @step(uninterrupted=True)
    async def send(self, run: Run) -> Json:
        await self.pass_through(run)
        raise PermanentError("no such address", code="PROVIDER_ERROR")


@pipeline("send")
class SendAndFile(Gate):
    """Has something left to do after the step that nothing interrupts."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = self.filed = 0

    @step(uninterrupted=True)
    async def send(self, run: Run) -> Json:
        await self.pass_through(run)
        self.sent += 1
        return None

    @step
    async def file(self, run: Run) -> Json:
        self.filed += 1
        return None


async def test_a_run_that_asks_learns_of_a_cancel_before_it_goes_on(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    send = SendPipeline()
    async with running_worker(service.address, send):
        job_id = (await client.enqueue("test", "send")).id
        await asyncio.wait_for(send.asked.wait(), 10)
        await client.cancel(job_id)
        send.ask.set()
        await details_in(client, job_id, JobState.CANCELLED)
    assert send.runs == []


async def test_a_run_that_asks_and_holds_its_lease_goes_on(service: QueueServiceUnderTest, client: AsyncJoblineClient):
    send = SendPipeline()
    send.ask.set()
    send.open.set()
    async with running_worker(service.address, send):
        job_id = (await client.enqueue("test", "send")).id
        assert (await details_in(client, job_id, JobState.SUCCEEDED)).job.result == "sent"


async def test_a_run_that_asks_while_the_service_is_away_waits_for_its_answer(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    send = SendPipeline()
    send.open.set()
    async with running_worker(service.address, send):
        job_id = (await client.enqueue("test", "send")).id
        await asyncio.wait_for(send.asked.wait(), 10)
        service.kill()
        send.ask.set()
        await asyncio.to_thread(service.start)
        await details_in(client, job_id, JobState.SUCCEEDED)
    assert len(send.sent) == 1


async def test_a_run_that_asks_and_hears_nothing_stops_when_its_lease_must_be_void(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    send = SendPipeline()
    async with tcp_proxy(service.address) as proxy, running_worker(proxy.address, send, drain_timeout=0.1):
        job_id = (await client.enqueue("brief", "send")).id
        await asyncio.wait_for(send.asked.wait(), 10)
        proxy.refuse()
        send.ask.set()

        async def rescued() -> bool:
            return (await client.get(job_id)).job.attempt == 1

        await eventually(rescued, within=20)
        assert send.runs == []
        await client.cancel(job_id)
        proxy.heal()


async def test_a_step_that_nothing_interrupts_ends_after_a_cancel_and_what_came_of_it_is_noted(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    send = SendPipeline()
    send.ask.set()
    async with running_worker(service.address, send):
        job_id = (await client.enqueue("now", "send")).id
        await send.entered()
        await client.cancel(job_id)
        await asyncio.wait_for(send.runs[0].cancelled.wait(), 10)
        assert send.runs[0].cancelled.reason is CancelReason.LOST
        assert send.sent == []
        send.open.set()
        assert await eventually(lambda: voids(client, job_id)) == ['completed: "sent"']
        (info,) = await client.list_workers()
        assert info.running == 0
    assert send.sent == [{}]
    assert (await client.get(job_id)).job.state is JobState.CANCELLED


async def test_a_failure_of_a_step_that_nothing_interrupts_is_noted_too(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    refused = Refused()
    async with running_worker(service.address, refused):
        job_id = (await client.enqueue("now", "send")).id
        await refused.entered()
        await client.cancel(job_id)
        refused.open.set()
        assert await eventually(lambda: voids(client, job_id)) == ["failed: PROVIDER_ERROR: no such address"]
    assert (await client.get(job_id)).job.state is JobState.CANCELLED


async def test_no_step_begins_after_one_that_nothing_interrupted_and_nothing_is_said_of_the_run(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    send = SendAndFile()
    async with running_worker(service.address, send):
        job_id = (await client.enqueue("now", "send")).id
        await send.entered()
        await client.cancel(job_id)
        await asyncio.wait_for(send.runs[0].cancelled.wait(), 10)
        send.open.set()
        await eventually(lambda: send.sent == 1)
    assert send.filed == 0
    assert await voids(client, job_id) == []


async def test_a_step_that_nothing_interrupts_outlives_its_lease_and_the_lost_outcome_is_noted(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    send = SendPipeline()
    send.ask.set()
    async with tcp_proxy(service.address) as proxy, running_worker(proxy.address, send):
        job_id = (await client.enqueue("brief", "send", max_attempts=1)).id
        await send.entered()
        proxy.refuse()
        await details_in(client, job_id, JobState.FAILED)
        assert not send.runs[0].cancelled.is_set()
        send.open.set()
        proxy.heal()
        assert await eventually(lambda: voids(client, job_id), within=30) == ['completed: "sent"']
    assert send.sent == [{}]


async def test_a_short_cut_in_a_step_that_nothing_interrupts_costs_nothing(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    send = SendPipeline()
    send.ask.set()
    async with tcp_proxy(service.address) as proxy, running_worker(proxy.address, send):
        job_id = (await client.enqueue("test", "send")).id
        await send.entered()
        proxy.cut()
        send.open.set()
        details = await details_in(client, job_id, JobState.SUCCEEDED)
    assert (details.job.attempt, send.sent) == (1, [{}])
    assert await voids(client, job_id) == []


@pytest.mark.parametrize(("drain_timeout", "stops"), [(0.1, 1), (600, 2)])
async def test_a_worker_that_must_leave_in_a_step_that_nothing_interrupts_does_not_give_the_job_back(
    service: QueueServiceUnderTest,
    client: AsyncJoblineClient,
    drain_timeout: float,
    stops: int,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(handlers, "_INTERRUPT_GRACE", 0.5)
    send = SendPipeline()
    send.ask.set()
    worker = Worker(
        service.address, service.worker_token, queues={"brief": 1}, pipelines=[send], drain_timeout=drain_timeout
    )
    life = asyncio.create_task(worker.run())
    job_id = (await client.enqueue("brief", "send")).id
    await send.entered()
    for _ in range(stops):
        worker.stop()
    await asyncio.wait_for(life, 30)
    details = await details_in(client, job_id, JobState.PENDING)
    assert (details.job.attempt, details.attempts[0].outcome, send.sent) == (1, "lost", [])


async def test_a_step_that_nothing_interrupts_and_that_ends_after_a_second_stop_counts(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    send = SendPipeline()
    send.ask.set()
    async with running_worker(service.address, send, drain_timeout=600) as worker:
        job_id = (await client.enqueue("test", "send")).id
        await send.entered()
        worker.stop()
        worker.stop()
        await asyncio.wait_for(send.runs[0].cancelled.wait(), 10)
        send.open.set()
    job = (await client.get(job_id)).job
    assert (job.state, job.attempt, job.result) == (JobState.SUCCEEDED, 1, "sent")
