"""Errands of callers with little time, such as a cron: their time is up in the middle of runs, and they wait for nobody."""

import asyncio

import pytest

from jobline.client import AsyncJoblineClient, JobState
from jobline.worker import ErrandReport, Json, Run, Worker, pipeline, step
from jobline.worker import errand as errand_module
from support.errand_world import enqueue, errands, job_of, open_gate, states
from support.eventually import eventually
from support.gated_pipelines import GatePipeline
from support.queue_service import QueueServiceUnderTest


@pytest.fixture
def service(lent_service: QueueServiceUnderTest) -> QueueServiceUnderTest:
    return lent_service


@pipeline("early")
class EarlyPipeline:
    """Its runs wait until there is little time left, and then do what their payload says."""

    def __init__(self) -> None:
        self.waiting = 0

    @step
    async def work(self, run: Run) -> Json:
        stopping = run.stopping
        self.waiting += 1
        await stopping.wait()
        match run.payload:
            case "give back":
                stopping.raise_if_set()
            case "go on":
                await asyncio.Event().wait()
        return "what there is"

    async def await_waiting(self, count: int) -> None:
        await eventually(lambda: self.waiting == count, what=f"{count} runs wait")


async def test_runs_that_look_for_the_end_of_their_time_may_end_by_themselves(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    done = (await client.enqueue("test", "early", "return")).id
    back = (await client.enqueue("test", "early", "give back")).id
    gated = (await client.enqueue("test", "gate", 1)).id
    async with errands(service.address, EarlyPipeline(), GatePipeline()) as runner:
        report = await asyncio.wait_for(runner.run("test", run_for=1.5), 20)
    assert report == ErrandReport(1, 1, 0, complete=False)
    assert (await job_of(client, done)).result == "what there is"
    for job_id in (back, gated):
        job = await job_of(client, job_id)
        assert (job.state, job.attempt) == (JobState.PENDING, 0)
        assert "the time of the call was up" in [event.detail for event in (await client.explain(job_id)).events]


async def test_a_run_that_does_not_end_by_itself_is_given_back_a_little_later(
    service: QueueServiceUnderTest, client: AsyncJoblineClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(errand_module, "_EARLY_END", 0.2)
    job_id = (await client.enqueue("test", "early", "go on")).id
    async with errands(service.address, EarlyPipeline()) as runner:
        report = await asyncio.wait_for(runner.run("test", run_for=0.5), 20)
    assert report == ErrandReport(0, 0, 0, complete=False)
    job = await job_of(client, job_id)
    assert (job.state, job.attempt) == (JobState.PENDING, 0)


@pytest.mark.parametrize("payload", ["return", "give back"])
async def test_a_worker_that_shuts_down_tells_its_runs_so(
    service: QueueServiceUnderTest, client: AsyncJoblineClient, payload: str
):
    early = EarlyPipeline()
    job_id = (await client.enqueue("test", "early", payload)).id
    worker = Worker(service.address, service.worker_token, queues={"test": 1}, pipelines=[early])
    life = asyncio.create_task(worker.run())
    await early.await_waiting(1)
    worker.stop()
    await asyncio.wait_for(life, 20)
    job = await job_of(client, job_id)
    if payload == "return":
        assert (job.state, job.result) == (JobState.SUCCEEDED, "what there is")
    else:
        assert (job.state, job.attempt) == (JobState.PENDING, 0)


async def test_an_errand_for_its_own_runs_waits_for_nobody(service: QueueServiceUnderTest, client: AsyncJoblineClient):
    held, gate = GatePipeline(), open_gate()
    ids = await enqueue(client, 1)
    worker = Worker(service.address, service.worker_token, queues={"test": 1}, pipelines=[held])
    life = asyncio.create_task(worker.run())
    await held.entered()
    ids += await enqueue(client, 2)
    async with errands(service.address, gate) as runner:
        report = await asyncio.wait_for(runner.run("test", own_runs_only=True), 20)
        assert report == ErrandReport(2, 2, 0, complete=False)
        assert await asyncio.wait_for(runner.run("test", own_runs_only=True), 20) == ErrandReport(
            0, 0, 0, complete=False
        )
    assert sorted(await states(client, ids)) == ["running", "succeeded", "succeeded"]
    held.open.set()
    worker.stop()
    await asyncio.wait_for(life, 20)


async def test_five_jobs_are_three_and_two_and_none_and_parallel_calls_share_them(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    gate = open_gate()
    ids = await enqueue(client, 5)
    async with errands(service.address, gate) as runner:
        calls = [await runner.run("test", max_jobs=3, own_runs_only=True) for _ in range(3)]
        assert [call.attempted for call in calls] == [3, 2, 0]
        assert [call.complete for call in calls] == [False, True, True]
        ids += await enqueue(client, 5)
        parallel = await asyncio.gather(*(runner.run("test", max_jobs=3, own_runs_only=True) for _ in range(4)))
    assert sum(call.attempted for call in parallel) == 5
    assert len({run.id for run in gate.runs}) == len(gate.runs) == 10
    assert set(await states(client, ids)) == {"succeeded"}


async def test_an_errand_for_its_own_runs_claims_what_becomes_due_meanwhile_up_to_its_limit(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    @pipeline("chain")
    async def chain(run: Run) -> Json:
        await client.enqueue("test", "chain", run.payload + 1)
        return run.payload

    await client.enqueue("test", "chain", 0)
    async with errands(service.address, chain) as runner:
        report = await asyncio.wait_for(runner.run("test", max_jobs=3, own_runs_only=True), 20)
        assert report.attempted == 3
        assert (await asyncio.wait_for(runner.run("test", max_jobs=1), 20)).attempted == 1


async def test_a_paused_queue_is_answered_at_once_also_for_own_runs(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    ids = await enqueue(client, 1)
    await client.pause_queue("test")
    async with errands(service.address, open_gate()) as runner:
        report = await asyncio.wait_for(runner.run("test", own_runs_only=True), 20)
    assert report == ErrandReport(0, 0, 0, complete=False)
    assert await states(client, ids) == ["pending"]
