"""The worker runtime against the real queue service: jobs, steps, cancel, drain."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from jobline.client import AsyncJoblineClient, JobDetails, JobFilter, JobState
from jobline.errors import Unauthenticated
from jobline.worker import CancelReason, Json, PermanentError, Run, Snooze, TransientError, Worker, pipeline, step
from support.eventually import eventually
from support.queue_service import QueueServiceUnderTest


@pytest.fixture
def service(lent_service: QueueServiceUnderTest) -> QueueServiceUnderTest:
    return lent_service


@asynccontextmanager
async def running_worker(
    address: str, *pipelines: object, slots: int = 1, queue: str = "test", drain_timeout: float = 5.0
) -> AsyncIterator[Worker]:
    """A worker that runs during the block and is drained after it."""
    worker = Worker(
        address,
        QueueServiceUnderTest.worker_token,
        queues={queue: slots},
        pipelines=pipelines,
        name="worker-of-a-test",
        drain_timeout=drain_timeout,
    )
    life = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await asyncio.wait_for(life, 30)


async def ended(client: AsyncJoblineClient, job_id: str) -> JobDetails:
    """The job once it has ended."""

    async def check() -> JobDetails | None:
        details = await client.get(job_id)
        return details if details.job.state.is_terminal else None

    return await eventually(check, within=30, what=f"job {job_id} has ended")


@pipeline("echo", prefetch=64)
async def echo(run: Run) -> Json:
    return {"seen": run.payload, "attempt": run.number, "labels": dict(run.labels)}


class Gate:
    """A pipeline of two steps whose first waits until the test lets it go on."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()
        self.runs: list[Run] = []
        self.steps: list[str] = []
        self.interrupted = False


@pipeline("gate")
class GatePipeline(Gate):
    @step
    async def wait(self, run: Run) -> Json:
        self.runs.append(run)
        self.steps.append("wait")
        self.entered.set()
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.interrupted = True
            raise
        return "waited"

    @step
    async def finish(self, run: Run) -> Json:
        self.steps.append("finish")
        run.progress(1, 2, "half")
        return run.outputs["wait"]


async def test_a_job_runs_and_its_result_is_stored(service: QueueServiceUnderTest, client: AsyncJoblineClient):
    async with running_worker(service.address, echo):
        stored = await client.enqueue("test", "echo", {"name": "Ádá"}, labels={"a": "b"})
        job = (await ended(client, stored.id)).job
    assert job.state is JobState.SUCCEEDED
    assert job.result == {"seen": {"name": "Ádá"}, "attempt": 1, "labels": {"a": "b"}}


async def test_many_short_jobs_each_run_once(service: QueueServiceUnderTest, client: AsyncJoblineClient):
    seen: list[int] = []

    @pipeline("count", prefetch=256)
    async def count(run: Run) -> Json:
        seen.append(run.payload)
        return run.payload

    stored = await asyncio.gather(*(client.enqueue("test", "count", n) for n in range(1000)))
    assert len({job.id for job in stored}) == 1000
    async with running_worker(service.address, count, slots=4):
        await eventually(lambda: len(seen) >= 1000, within=30)

        async def all_stored() -> bool:
            live = JobFilter(queues=["test"], states=[JobState.RUNNING, JobState.PENDING])
            return not await client.count_jobs(live)

        await eventually(all_stored, within=30)
    assert sorted(seen) == list(range(1000))


async def test_the_current_step_is_visible_at_once_and_its_output_is_stored_before_the_next(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    gate = GatePipeline()
    async with running_worker(service.address, gate):
        stored = await client.enqueue("test", "gate")
        await asyncio.wait_for(gate.entered.wait(), 10)

        async def shows_step() -> bool:
            progress = (await client.get(stored.id)).job.progress
            return progress is not None and progress.step == "wait"

        await eventually(shows_step, within=5)
        gate.open.set()
        details = await ended(client, stored.id)
    assert details.job.result == "waited"
    assert [(s.name, s.output) for s in details.steps][:1] == [("wait", "waited")]


async def test_a_retried_run_goes_on_after_the_steps_that_were_stored(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    calls: list[str] = []

    @pipeline("twice")
    class Twice:
        @step
        async def pay(self, run: Run) -> Json:
            calls.append("pay")
            return "paid"

        @step
        async def use(self, run: Run) -> Json:
            calls.append(f"use {run.number}")
            if run.number == 1:
                raise TransientError("not yet", code="NOT_YET")
            return run.outputs["pay"]

    async with running_worker(service.address, Twice()):
        stored = await client.enqueue("test", "twice")
        details = await ended(client, stored.id)
    assert calls == ["pay", "use 1", "use 2"]
    assert details.job.result == "paid"
    assert details.attempts[0].error is not None
    assert details.attempts[0].error.code == "NOT_YET"


async def test_a_permanent_error_fails_the_job_at_once(service: QueueServiceUnderTest, client: AsyncJoblineClient):
    @pipeline("never")
    async def never(run: Run) -> Json:
        raise PermanentError("no such thing", code="NO_SUCH_THING")

    async with running_worker(service.address, never):
        job = (await ended(client, (await client.enqueue("test", "never")).id)).job
    assert job.state is JobState.FAILED
    assert job.attempt == 1
    assert job.error is not None
    assert (job.error.code, job.error.message) == ("NO_SUCH_THING", "no such thing")


async def test_a_snoozed_job_comes_back_without_an_attempt_counted(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    runs: list[int] = []

    @pipeline("later")
    async def later(run: Run) -> Json:
        runs.append(run.number)
        if len(runs) == 1:
            raise Snooze(0.1)
        return None

    async with running_worker(service.address, later):
        job = (await ended(client, (await client.enqueue("test", "later")).id)).job
    assert (job.state, job.attempt, runs) == (JobState.SUCCEEDED, 1, [1, 1])


async def test_a_cancelled_job_stops_at_its_step_boundary(service: QueueServiceUnderTest, client: AsyncJoblineClient):
    gate = GatePipeline()
    async with running_worker(service.address, gate):
        stored = await client.enqueue("test", "gate")
        await asyncio.wait_for(gate.entered.wait(), 10)
        await client.cancel(stored.id, "changed my mind")
        await asyncio.wait_for(gate.runs[0].cancelled.wait(), 10)
        assert gate.runs[0].cancelled.reason is CancelReason.REQUESTED
        gate.open.set()
        job = (await ended(client, stored.id)).job
    assert job.state is JobState.CANCELLED
    assert gate.steps == ["wait"]
    assert not gate.interrupted


async def test_a_job_cancelled_at_once_interrupts_its_handler(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    gate = GatePipeline()
    async with running_worker(service.address, gate, queue="now"):
        stored = await client.enqueue("now", "gate")
        await asyncio.wait_for(gate.entered.wait(), 10)
        await client.cancel(stored.id)
        await eventually(lambda: gate.interrupted)
        assert gate.runs[0].cancelled.reason is CancelReason.LOST
    assert (await client.get(stored.id)).job.state is JobState.CANCELLED


async def test_a_handler_that_blocks_its_loop_for_longer_than_the_lease_keeps_it(
    service: QueueServiceUnderTest, client: AsyncJoblineClient, caplog: pytest.LogCaptureFixture
):
    runs: list[int] = []

    @pipeline("block")
    async def block(run: Run) -> Json:
        runs.append(run.number)
        # Longer than the lease of 2.5 s: blocks the event loop the way a careless handler does.
        threading.Event().wait(4)
        return "done"

    async with running_worker(service.address, block, queue="brief"):
        stored = await client.enqueue("brief", "block")
        job = (await ended(client, stored.id)).job
    assert (job.state, job.attempt, runs) == (JobState.SUCCEEDED, 1, [1])
    assert "blocks the event loop" in caplog.text


async def test_a_stopped_worker_finishes_what_runs_and_takes_no_more(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    gate = GatePipeline()
    async with running_worker(service.address, gate) as worker:
        first = await client.enqueue("test", "gate")
        await asyncio.wait_for(gate.entered.wait(), 10)
        second = await client.enqueue("test", "gate")
        worker.stop()
        gate.open.set()
        await ended(client, first.id)
    assert (await client.get(first.id)).job.state is JobState.SUCCEEDED
    assert (await client.get(second.id)).job.state is JobState.PENDING


async def test_a_worker_that_must_leave_gives_its_job_back_without_an_attempt_counted(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    gate = GatePipeline()
    async with running_worker(service.address, gate, drain_timeout=0.1):
        stored = await client.enqueue("test", "gate")
        await asyncio.wait_for(gate.entered.wait(), 10)
    job = (await client.get(stored.id)).job
    assert (job.state, job.attempt) == (JobState.PENDING, 0)
    assert gate.interrupted
    assert gate.runs[0].cancelled.reason is CancelReason.SHUTDOWN


async def test_a_second_stop_gives_back_at_once(service: QueueServiceUnderTest, client: AsyncJoblineClient):
    gate = GatePipeline()
    async with running_worker(service.address, gate, drain_timeout=600) as worker:
        stored = await client.enqueue("test", "gate")
        await asyncio.wait_for(gate.entered.wait(), 10)
        worker.stop()
        worker.stop()
        await eventually(lambda: gate.interrupted)
    assert (await client.get(stored.id)).job.state is JobState.PENDING


async def test_cancelling_the_workers_task_still_has_every_outcome_answered(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    gate = GatePipeline()
    worker = Worker(service.address, service.worker_token, queues={"test": 1}, pipelines=[gate])
    life = asyncio.create_task(worker.run())
    stored = await client.enqueue("test", "gate")
    await asyncio.wait_for(gate.entered.wait(), 10)
    life.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(life, 20)
    assert (await client.get(stored.id)).job.state is JobState.PENDING


async def test_an_operator_may_drain_a_worker(service: QueueServiceUnderTest, client: AsyncJoblineClient):
    worker = Worker(service.address, service.worker_token, queues={"test": 1}, pipelines=[echo], name="to-drain")
    life = asyncio.create_task(worker.run())

    async def connected() -> bool:
        return "to-drain" in [info.name for info in await client.list_workers()]

    await eventually(connected)
    told = await client.drain_worker("to-drain")
    assert [info.session_id for info in told] == [worker.session_id]
    await asyncio.wait_for(life, 20)
    assert "to-drain" not in [info.name for info in await client.list_workers()]


async def test_a_worker_whose_token_is_not_known_is_told_so(service: QueueServiceUnderTest):
    worker = Worker(service.address, "not-a-token-of-anybody", queues={"test": 1}, pipelines=[echo])
    with pytest.raises(Unauthenticated):
        await asyncio.wait_for(worker.run(), 20)


async def test_short_jobs_stuck_behind_a_slow_one_go_to_a_worker_that_is_free(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    stuck, free = asyncio.Event(), asyncio.Event()
    blocked: list[int] = []

    @pipeline("mixed", prefetch=20)
    async def slow(run: Run) -> Json:
        blocked.append(run.payload)
        await stuck.wait()
        return "slow"

    @pipeline("mixed", prefetch=20)
    async def quick(run: Run) -> Json:
        free.set()
        return "quick"

    jobs = [await client.enqueue("test", "mixed", n) for n in range(10)]
    async with running_worker(service.address, slow):
        await eventually(lambda: bool(blocked))
        async with running_worker(service.address, quick):
            rest = [(await ended(client, job.id)).job for job in jobs[1:]]
        assert all(job.result == "quick" for job in rest)
        assert all(job.attempt == 1 for job in rest)
        stuck.set()
        assert (await ended(client, jobs[0].id)).job.result == "slow"
