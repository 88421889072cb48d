"""Errands against the real queue service: what is due now is run, once, and nothing else."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from jobline.client import AsyncJoblineClient, JobState
from jobline.errors import NotActive, Unauthenticated
from jobline.worker import (
    CancelReason,
    ErrandReport,
    ErrandRunner,
    Json,
    PermanentError,
    Run,
    Worker,
    handlers,
    pipeline,
)
from jobline.worker import errand as errand_module
from support.errand_world import enqueue, errands, job_of, open_gate, states, states_are
from support.eventually import eventually
from support.gated_pipelines import GatePipeline, SendPipeline
from support.queue_service import QueueServiceUnderTest


@pytest.fixture
def service(lent_service: QueueServiceUnderTest) -> QueueServiceUnderTest:
    return lent_service


@pipeline("fail")
async def fail(run: Run) -> Json:
    raise PermanentError("no such thing", code="NO_SUCH_THING")


async def test_all_that_is_due_is_run_in_batches_of_ten_and_counted(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    gate = GatePipeline()
    ids = await enqueue(client, 23)
    failing = await enqueue(client, 2, "fail")
    async with errands(service.address, gate, fail) as runner:
        errand = asyncio.create_task(runner.run("test"))
        await gate.entered(10)
        assert gate.most_at_once == 10
        gate.open.set()
        assert await asyncio.wait_for(errand, 30) == ErrandReport(25, 23, 2, complete=True)
    assert gate.most_at_once == 10
    assert await states(client, ids) == ["succeeded"] * 23
    assert await states(client, failing) == ["failed"] * 2
    assert (await job_of(client, ids[3])).result == {"seen": 3}


async def test_what_is_due_later_or_is_anothers_or_of_another_kind_stays(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    gate = open_gate()
    (mine,) = await enqueue(client, 1, owner="business:1")
    (other,) = await enqueue(client, 1, owner="business:2")
    (kind,) = await enqueue(client, 1, "unheard-of", owner="business:1")
    later = (await client.enqueue("test", "gate", owner="business:1", run_at=datetime.now(UTC) + timedelta(hours=1))).id
    async with errands(service.address, gate) as runner:
        report = await asyncio.wait_for(runner.run("test", owner="business:1"), 30)
    assert report == ErrandReport(1, 1, 0, complete=True)
    assert await states(client, [mine, other, kind, later]) == ["succeeded", "pending", "pending", "pending"]


async def test_nothing_due_is_done_at_once(service: QueueServiceUnderTest):
    async with errands(service.address, open_gate()) as runner:
        assert await asyncio.wait_for(runner.run("test"), 3) == ErrandReport(0, 0, 0, complete=True)


async def test_a_paused_queue_is_answered_at_once_and_nothing_is_run(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    ids = await enqueue(client, 1)
    await client.pause_queue("test")
    async with errands(service.address, open_gate()) as runner:
        assert await asyncio.wait_for(runner.run("test"), 3) == ErrandReport(0, 0, 0, complete=False)
    assert await states(client, ids) == ["pending"]


async def test_no_more_than_asked_for_are_run(service: QueueServiceUnderTest, client: AsyncJoblineClient):
    await enqueue(client, 14)
    async with errands(service.address, open_gate()) as runner:
        assert await asyncio.wait_for(runner.run("test", max_jobs=12), 30) == ErrandReport(12, 12, 0, complete=False)
        assert await asyncio.wait_for(runner.run("test", max_jobs=2), 30) == ErrandReport(2, 2, 0, complete=True)


async def test_after_claim_for_nothing_more_is_claimed_and_what_runs_is_finished(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    gate = GatePipeline()
    await enqueue(client, 11)
    async with errands(service.address, gate) as runner:
        errand = asyncio.create_task(runner.run("test", claim_for=0.5))
        await gate.entered(10)
        await asyncio.wait({errand}, timeout=0.6)
        gate.open.set()
        assert await asyncio.wait_for(errand, 30) == ErrandReport(10, 10, 0, complete=False)


async def test_after_run_for_what_runs_is_given_back_without_an_attempt_counted(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    gate = GatePipeline()
    (job_id,) = await enqueue(client, 1)
    async with errands(service.address, gate) as runner:
        report = await asyncio.wait_for(runner.run("test", run_for=1.0), 5)
        assert report == ErrandReport(0, 0, 0, complete=False)
        job = await job_of(client, job_id)
        assert (job.state, job.attempt) == (JobState.PENDING, 0)
    assert gate.runs[0].cancelled.reason is CancelReason.SHUTDOWN
    events = [event.detail for event in (await client.explain(job_id)).events]
    assert "the time of the call was up" in events


async def test_after_run_for_a_step_that_nothing_interrupts_goes_on_to_its_end(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    send = SendPipeline()
    send.ask.set()
    (job_id,) = await enqueue(client, 1, "send")
    async with errands(service.address, send) as runner:
        report = await asyncio.wait_for(runner.run("test", run_for=1.0), 6)
        assert (report.attempted, report.complete) == (0, False)
        assert await states(client, [job_id]) == ["running"]
        send.open.set()
        await eventually(lambda: states_are(client, [job_id], "succeeded"))
    assert send.sent == [0]


async def test_a_caller_who_hangs_up_stops_the_claiming_and_what_runs_is_finished(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    gate = GatePipeline()
    ids = await enqueue(client, 12)
    async with errands(service.address, gate) as runner:
        errand = asyncio.create_task(runner.run("test"))
        await gate.entered(10)
        errand.cancel()
        with pytest.raises(asyncio.CancelledError):
            await errand
        gate.open.set()
        done = [str(run.id) for run in gate.runs]
        await eventually(lambda: states_are(client, done, "succeeded"))
    assert sorted(await states(client, ids)) == ["pending"] * 2 + ["succeeded"] * 10


async def test_a_runner_that_is_stopped_finishes_what_runs_and_says_that_it_stops(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    gate = GatePipeline()
    ids = await enqueue(client, 12)
    async with errands(service.address, gate) as runner:
        errand = asyncio.create_task(runner.run("test"))
        await gate.entered(10)
        runner.stop()
        with pytest.raises(NotActive, match="stopping") as refused:
            await runner.run("test")
        assert refused.value.reason == "NOT_ACTIVE"
        gate.open.set()
        with pytest.raises(NotActive, match="stopping") as broken_off:
            await asyncio.wait_for(errand, 10)
        assert broken_off.value.reason == "DRAINING"
    assert sorted(await states(client, ids)) == ["pending"] * 2 + ["succeeded"] * 10


async def test_a_runner_that_must_leave_gives_back_what_runs(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    gate = GatePipeline()
    (job_id,) = await enqueue(client, 1)
    async with errands(service.address, gate, drain_timeout=600) as runner:
        errand = asyncio.create_task(runner.run("test"))
        await gate.entered()
        runner.stop()
        runner.stop()
        with pytest.raises(NotActive):
            await asyncio.wait_for(errand, 10)
    job = await job_of(client, job_id)
    assert (job.state, job.attempt) == (JobState.PENDING, 0)


async def test_a_runner_that_must_leave_in_a_step_that_nothing_interrupts_does_not_give_the_job_back(
    service: QueueServiceUnderTest, client: AsyncJoblineClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(handlers, "_INTERRUPT_GRACE", 0.5)
    monkeypatch.setattr(errand_module, "_FLUSH_WITHIN", 0.5)
    send = SendPipeline()
    send.ask.set()
    (job_id,) = await enqueue(client, 1, "send", queue="brief")
    async with errands(service.address, send, drain_timeout=600) as runner:
        errand = asyncio.create_task(runner.run("brief"))
        await send.entered()
        runner.stop()
        runner.stop()
        with pytest.raises(NotActive):
            await asyncio.wait_for(errand, 30)
    await eventually(lambda: states_are(client, [job_id], "pending"), within=30)
    assert ((await job_of(client, job_id)).attempt, send.sent) == (1, [])
    assert (await client.get(job_id)).attempts[0].outcome == "lost"


async def test_an_errand_that_was_given_nothing_when_its_runner_stops_may_be_sent_elsewhere(
    service: QueueServiceUnderTest, client: AsyncJoblineClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(errand_module, "_CLAIM_WAIT", 1.0)
    gate = GatePipeline()
    await enqueue(client, 1)
    worker = Worker(service.address, service.worker_token, queues={"test": 1}, pipelines=[gate])
    life = asyncio.create_task(worker.run())
    await gate.entered()
    async with errands(service.address, open_gate()) as runner:
        errand = asyncio.create_task(runner.run("test"))
        await asyncio.wait({errand}, timeout=0.5)
        runner.stop()
        with pytest.raises(NotActive) as stopped:
            await asyncio.wait_for(errand, 10)
    assert stopped.value.reason == "NOT_ACTIVE"
    gate.open.set()
    worker.stop()
    await asyncio.wait_for(life, 30)


async def test_two_errands_and_a_worker_run_every_job_once_and_each_waits_for_the_others(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    gate = GatePipeline()
    ids = await enqueue(client, 40)
    worker = Worker(service.address, service.worker_token, queues={"test": 5}, pipelines=[gate])
    life = asyncio.create_task(worker.run())
    async with errands(service.address, gate) as runner:
        calls = [asyncio.create_task(runner.run("test")) for _ in range(2)]
        await gate.entered(25)
        gate.open.set()
        reports = await asyncio.wait_for(asyncio.gather(*calls), 60)
        assert await states(client, ids) == ["succeeded"] * 40
    assert all(report.complete for report in reports)
    assert sorted(run.payload for run in gate.runs) == list(range(40))
    worker.stop()
    await asyncio.wait_for(life, 30)


async def test_an_errand_waits_for_jobs_that_a_worker_holds(
    service: QueueServiceUnderTest, client: AsyncJoblineClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(errand_module, "_CLAIM_WAIT", 0.5)
    gate, mine = GatePipeline(), open_gate()
    (job_id,) = await enqueue(client, 1)
    worker = Worker(service.address, service.worker_token, queues={"test": 1}, pipelines=[gate])
    life = asyncio.create_task(worker.run())
    await gate.entered()
    async with errands(service.address, mine) as runner:
        errand = asyncio.create_task(runner.run("test"))
        done, _ = await asyncio.wait({errand}, timeout=1.5)  # three times as long as one claim waits
        assert not done
        gate.open.set()
        assert await asyncio.wait_for(errand, 10) == ErrandReport(0, 0, 0, complete=True)
        assert await states(client, [job_id]) == ["succeeded"]
    worker.stop()
    await asyncio.wait_for(life, 30)


async def test_leases_last_as_long_as_the_runs_do(service: QueueServiceUnderTest, client: AsyncJoblineClient):
    gate = GatePipeline()
    (job_id,) = await enqueue(client, 1, queue="brief")
    async with errands(service.address, gate) as runner:
        errand = asyncio.create_task(runner.run("brief"))
        await gate.entered()
        # Longer than the lease of 2.5 s.
        await asyncio.wait({errand}, timeout=4)
        gate.open.set()
        assert await asyncio.wait_for(errand, 10) == ErrandReport(1, 1, 0, complete=True)
    assert (await job_of(client, job_id)).attempt == 1


async def test_a_cancelled_job_stops_at_its_step_boundary(service: QueueServiceUnderTest, client: AsyncJoblineClient):
    gate = GatePipeline()
    (job_id,) = await enqueue(client, 1)
    async with errands(service.address, gate) as runner:
        errand = asyncio.create_task(runner.run("test"))
        await gate.entered()
        await client.cancel(job_id)
        await asyncio.wait_for(gate.runs[0].cancelled.wait(), 10)
        assert gate.runs[0].cancelled.reason is CancelReason.REQUESTED
        gate.open.set()
        assert await asyncio.wait_for(errand, 10) == ErrandReport(1, 0, 0, complete=True)
    assert await states(client, [job_id]) == ["cancelled"]


async def test_a_job_cancelled_at_once_interrupts_its_run(service: QueueServiceUnderTest, client: AsyncJoblineClient):
    gate = GatePipeline()
    job_id = (await client.enqueue("now", "gate")).id
    async with errands(service.address, gate) as runner:
        errand = asyncio.create_task(runner.run("now"))
        await gate.entered()
        await client.cancel(job_id)
        assert await asyncio.wait_for(errand, 10) == ErrandReport(1, 0, 0, complete=True)
    assert gate.runs[0].cancelled.reason is CancelReason.LOST


async def test_a_run_that_asks_learns_of_a_cancel_before_any_heartbeat_is_due(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    send = SendPipeline()
    job_id = (await client.enqueue("now", "send")).id
    async with errands(service.address, send) as runner:
        errand = asyncio.create_task(runner.run("now"))
        await asyncio.wait_for(send.asked.wait(), 10)
        await client.cancel(job_id)
        send.ask.set()
        assert await asyncio.wait_for(errand, 10) == ErrandReport(1, 0, 0, complete=True)
    assert send.runs == []
    assert await states(client, [job_id]) == ["cancelled"]


async def test_a_step_that_nothing_interrupts_ends_and_its_void_outcome_is_noted(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    send = SendPipeline()
    send.ask.set()
    job_id = (await client.enqueue("now", "send")).id
    async with errands(service.address, send) as runner:
        errand = asyncio.create_task(runner.run("now"))
        await send.entered()
        await client.cancel(job_id)
        await asyncio.wait_for(send.runs[0].cancelled.wait(), 10)
        send.open.set()
        await asyncio.wait_for(errand, 10)
    assert send.sent == [{}]
    assert await states(client, [job_id]) == ["cancelled"]
    assert "voided" in [event.name for event in (await client.explain(job_id)).events]


async def test_an_errand_whose_token_is_not_known_says_so(service: QueueServiceUnderTest):
    async with ErrandRunner(service.address, "not-a-token-of-anybody", pipelines=[open_gate()]) as runner:
        with pytest.raises(Unauthenticated):
            await asyncio.wait_for(runner.run("test"), 10)
