"""What breaks around a worker: the connection, the service, the worker itself. Covers F1, F2, F5, F21 and F39."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jobline.client import AsyncJoblineClient, JobDetails, JobFilter, JobState
from jobline.worker import CancelReason, Json, Run, Worker, pipeline, step
from jobline_local.ports import free_port
from support.eventually import eventually
from support.processes import ProgramUnderTest, clean_environ
from support.queue_service import QueueServiceUnderTest
from support.tcp_proxy import TcpProxy, tcp_proxy

#: A worker process that writes a line to its standard output when each step begins, and obeys a file.
WORKER = """
import asyncio, sys
from pathlib import Path
from jobline.worker import Worker, pipeline, step

address, token, gate = sys.argv[1], sys.argv[2], Path(sys.argv[3])

@pipeline("journal")
class Journal:
    @step
    async def first(self, run):
        print("first", run.number, flush=True)
        return "stored"

    @step
    async def second(self, run):
        print("second", run.number, flush=True)
        try:
            while not gate.exists():
                await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            print("interrupted", run.number, flush=True)
            raise
        print("done", run.number, flush=True)
        return run.outputs["first"]

async def main():
    worker = Worker(address, token, queues={"test": 1, "brief": 1}, pipelines=[Journal()], name="process")
    import signal
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    await worker.run()

asyncio.run(main())
"""


@pytest.fixture
def service(lent_service: QueueServiceUnderTest) -> QueueServiceUnderTest:
    return lent_service


@pytest.fixture
async def proxy(service: QueueServiceUnderTest) -> AsyncIterator[TcpProxy]:
    async with tcp_proxy(service.address) as running:
        yield running


async def ended(client: AsyncJoblineClient, job_id: str, within: float = 30) -> JobDetails:
    async def check() -> JobDetails | None:
        details = await client.get(job_id)
        return details if details.job.state.is_terminal else None

    return await eventually(check, within=within, what=f"job {job_id} has ended")


async def is_received(client: AsyncJoblineClient, job_id: str) -> bool:
    """Whether the service knows that the job has arrived at its worker."""
    lease = (await client.get(job_id)).job.lease
    return lease is not None and lease.received


@pipeline("hold")
class Hold:
    """One step that lasts until the test says so."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()
        self.runs: list[Run] = []

    @step
    async def wait(self, run: Run) -> Json:
        self.runs.append(run)
        self.entered.set()
        await self.open.wait()
        return "waited"

    @step
    async def finish(self, run: Run) -> Json:
        return run.outputs["wait"]


class RunningWorker:
    """A worker that runs until the test ends."""

    def __init__(self, *addresses: str, pipelines: list[object], slots: int = 1) -> None:
        self.worker = Worker(
            addresses,
            QueueServiceUnderTest.worker_token,
            queues={"test": slots, "brief": slots, "patient": slots},
            pipelines=pipelines,
            drain_timeout=1.0,
        )

    async def __aenter__(self) -> Worker:
        self._life = asyncio.create_task(self.worker.run())
        return self.worker

    async def __aexit__(self, *raised: object) -> None:
        self.worker.stop()
        await asyncio.wait_for(self._life, 30)


async def test_a_broken_connection_costs_a_running_job_nothing(
    service: QueueServiceUnderTest, client: AsyncJoblineClient, proxy: TcpProxy
):
    hold = Hold()
    async with RunningWorker(proxy.address, pipelines=[hold]):
        stored = await client.enqueue("test", "hold")
        await asyncio.wait_for(hold.entered.wait(), 10)
        proxy.cut()
        await eventually(lambda: proxy.connections >= 2)
        hold.open.set()
        job = (await ended(client, stored.id)).job
    assert (job.state, job.attempt, len(hold.runs)) == (JobState.SUCCEEDED, 1, 1)


async def test_an_outcome_that_could_not_be_sent_is_sent_after_the_reconnect(
    service: QueueServiceUnderTest, client: AsyncJoblineClient, proxy: TcpProxy
):
    hold = Hold()
    async with RunningWorker(proxy.address, pipelines=[hold]):
        stored = await client.enqueue("test", "hold")
        await asyncio.wait_for(hold.entered.wait(), 10)
        proxy.refuse()
        hold.open.set()
        await asyncio.sleep(0)
        proxy.heal()
        job = (await ended(client, stored.id)).job
    assert (job.state, job.attempt, len(hold.runs)) == (JobState.SUCCEEDED, 1, 1)


async def test_connections_that_break_all_the_time_lose_and_repeat_nothing(
    service: QueueServiceUnderTest, client: AsyncJoblineClient, proxy: TcpProxy
):
    seen: list[int] = []

    @pipeline("count", prefetch=16)
    async def count(run: Run) -> Json:
        seen.append(run.payload)
        await asyncio.sleep(0.002)
        return run.payload

    jobs = [await client.enqueue("test", "count", n) for n in range(300)]
    async with RunningWorker(proxy.address, pipelines=[count], slots=4):

        async def over() -> bool:
            proxy.cut()
            live = JobFilter(queues=["test"], states=[JobState.PENDING, JobState.RUNNING])
            waiting = [j async for j in client.list_jobs(live)]
            return not waiting

        await eventually(over, within=60)
    results = [(await client.get(job.id)).job for job in jobs]
    assert [job.result for job in results] == list(range(300))
    assert {job.attempt for job in results} == {1}
    assert sorted(set(seen)) == list(range(300))


async def test_a_worker_that_hears_nothing_gives_its_run_up_before_another_may_begin_it(
    service: QueueServiceUnderTest, client: AsyncJoblineClient, proxy: TcpProxy
):
    hold, other = Hold(), Hold()
    async with RunningWorker(proxy.address, pipelines=[hold]):
        stored = await client.enqueue("brief", "hold")
        await asyncio.wait_for(hold.entered.wait(), 10)
        await eventually(lambda: is_received(client, stored.id))
        proxy.stall()
        async with RunningWorker(service.address, pipelines=[other]):
            await asyncio.wait_for(hold.runs[0].cancelled.wait(), 15)
            assert hold.runs[0].cancelled.reason is CancelReason.LOST
            assert not other.runs
            await asyncio.wait_for(other.entered.wait(), 30)
            other.open.set()
            job = (await ended(client, stored.id)).job
        proxy.heal()
        proxy.cut()
    assert (job.state, job.attempt) == (JobState.SUCCEEDED, 2)


async def test_a_service_that_is_killed_and_comes_back_finds_the_run_still_held(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    hold = Hold()
    async with RunningWorker(service.address, pipelines=[hold]):
        stored = await client.enqueue("patient", "hold")
        await asyncio.wait_for(hold.entered.wait(), 10)
        service.kill()
        service.start()
        hold.open.set()
        job = (await ended(client, stored.id)).job
    assert (job.state, job.attempt, len(hold.runs)) == (JobState.SUCCEEDED, 1, 1)


async def test_a_service_that_stops_in_order_hands_its_workers_over(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    hold = Hold()
    async with RunningWorker(service.address, pipelines=[hold]):
        stored = await client.enqueue("patient", "hold")
        await asyncio.wait_for(hold.entered.wait(), 10)
        await asyncio.to_thread(service.stop)
        await asyncio.to_thread(service.start)
        hold.open.set()
        job = (await ended(client, stored.id)).job
    assert (job.state, job.attempt, len(hold.runs)) == (JobState.SUCCEEDED, 1, 1)


async def test_an_address_where_nobody_listens_is_passed_over(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    hold = Hold()
    hold.open.set()
    nobody = f"127.0.0.1:{free_port()}"
    async with RunningWorker(nobody, service.address, pipelines=[hold]):
        job = (await ended(client, (await client.enqueue("test", "hold")).id)).job
    assert job.state is JobState.SUCCEEDED


class WorkerProcess:
    """The worker above as a process of its own, with a journal of what it did."""

    def __init__(self, service: QueueServiceUnderTest, folder: Path, name: str) -> None:
        self.gate = folder / "gate"
        arguments = ("-c", WORKER, service.address, service.worker_token, str(self.gate))
        self._program = ProgramUnderTest(arguments, clean_environ(), folder, name)
        self.send, self.kill, self.wait = self._program.send, self._program.kill, self._program.wait

    @property
    def journal(self) -> list[str]:
        return self._program.output.read_text().splitlines()


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
async def test_a_killed_workers_job_is_run_again_after_its_stored_step(
    service: QueueServiceUnderTest, client: AsyncJoblineClient, tmp_path: Path
):
    first = WorkerProcess(service, tmp_path, "first")
    try:
        stored = await client.enqueue("brief", "journal")
        await eventually(lambda: first.journal == ["first 1", "second 1"], within=20)
    finally:
        first.kill()
    second = WorkerProcess(service, tmp_path, "second")
    try:
        second.gate.touch()
        details = await ended(client, stored.id, within=40)
        assert second.journal == ["second 2", "done 2"]
    finally:
        second.kill()
    assert (details.job.state, details.job.attempt) == (JobState.SUCCEEDED, 2)
    assert details.attempts[0].outcome == "lost"


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
async def test_a_worker_that_was_frozen_says_nothing_about_its_old_run(
    service: QueueServiceUnderTest, client: AsyncJoblineClient, tmp_path: Path
):
    frozen = WorkerProcess(service, tmp_path, "frozen")
    other: WorkerProcess | None = None
    try:
        stored = await client.enqueue("brief", "journal")
        await eventually(lambda: frozen.journal == ["first 1", "second 1"], within=20)
        frozen.send(signal.SIGSTOP)
        other = WorkerProcess(service, tmp_path, "other")
        await eventually(lambda: other is not None and other.journal == ["second 2"], within=40)
        frozen.send(signal.SIGCONT)

        async def both_connected() -> bool:
            return len(await client.list_workers()) == 2

        await eventually(both_connected, within=20)
        # Its stream outlived the freeze, so that says nothing about whether it knows by now.
        await eventually(lambda: "interrupted 1" in frozen.journal, within=20)
        frozen.gate.touch()
        details = await ended(client, stored.id)
        assert other.journal == ["second 2", "done 2"]
    finally:
        frozen.send(signal.SIGCONT)
        frozen.kill()
        if other is not None:
            other.kill()
    assert (details.job.state, details.job.attempt) == (JobState.SUCCEEDED, 2)
    assert "done 1" not in frozen.journal


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
async def test_sigterm_lets_a_worker_process_finish_and_leave(
    service: QueueServiceUnderTest, client: AsyncJoblineClient, tmp_path: Path
):
    process = WorkerProcess(service, tmp_path, "worker")
    try:
        stored = await client.enqueue("test", "journal")
        await eventually(lambda: "second 1" in process.journal, within=20)
        process.send(signal.SIGTERM)
        process.gate.touch()
        assert await asyncio.to_thread(process.wait) == 0
    finally:
        process.kill()
    job = (await client.get(stored.id)).job
    assert (job.state, job.attempt) == (JobState.SUCCEEDED, 1)
