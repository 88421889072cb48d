"""What a database queue has claimed: kept while its process lives, whatever that does, and lost with it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobline.database_queue import AsyncDatabaseQueue, DatabaseQueue
from jobline.errors import StaleLease
from support.eventually import eventually, eventually_blocking
from support.lent_queue import vacant
from support.library_queue import BOTH, failing, opened
from support.queue_calls import Calls
from support.queue_consumers import consumers, hold_in_a_blocked_loop, hold_in_a_blocked_thread
from support.queue_service import QueueServiceUnderTest, queue_service
from support.stack import Databases
from support.tcp_proxy import tcp_proxy

LEASE = timedelta(seconds=2)
POLICIES = """
[queues.ingestion]
lease = "2m"
[queues.vectorization]
lease = "2s"
receipt = "2s"
backoff = ["50ms"]
"""
INGEST = {"projectId": "p-1", "records": ["A record, and no other."]}


@pytest.fixture(scope="module")
def running(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueServiceUnderTest]:
    with databases.fresh() as url, queue_service(url, tmp_path_factory.mktemp("queue"), POLICIES) as service:
        yield service


@pytest.fixture
def service(running: QueueServiceUnderTest) -> QueueServiceUnderTest:
    """The module's service without a live job."""
    return vacant(running)


@pytest.fixture
def jobs(service: QueueServiceUnderTest) -> Iterator[DatabaseQueue]:
    yield from opened(service)


def row(service: QueueServiceUnderTest, job_id: str) -> tuple[str, int, Any]:
    (found,) = service.execute("SELECT status, attempts, result FROM job_queue WHERE id = %s", job_id)
    return found[0], found[1], found[2]


def test_a_lease_outlasts_a_thread_and_an_event_loop_that_are_blocked(
    jobs: DatabaseQueue, service: QueueServiceUnderTest
):
    for project in ("p-1", "p-2"):
        jobs.enqueue("VECTORIZE", {"projectId": project})
    where = (service.address, service.operator_token, "VECTORIZE")
    with (
        Calls(service.address, service.operator_token) as calls,
        consumers(hold_in_a_blocked_thread, where) as threads,
        consumers(hold_in_a_blocked_loop, where) as loops,
    ):
        held = [(consumer, consumer.hear()) for consumer in (*threads, *loops)]

        def kept(job_id: str) -> bool:
            job = calls.job(job_id)
            assert calls.state(job_id) == "running"
            return job.lease.expires_at.ToDatetime() > job.started_at.ToDatetime() + 2.8 * LEASE

        for consumer, job_id in held:
            eventually_blocking(lambda job_id=job_id: kept(job_id), within=60, what=f"{job_id} is renewed")
            consumer.go.set()
            assert consumer.hear() == "done"
            assert row(service, job_id)[0::2] == ("COMPLETED", "held")
            assert len(calls.get(job_id).attempts) == 1


def test_a_consumer_that_is_killed_loses_its_job(jobs: DatabaseQueue, service: QueueServiceUnderTest):
    stored = jobs.enqueue("VECTORIZE", {"projectId": "p-1"}, max_attempts=2)
    where = (service.address, service.operator_token, "VECTORIZE")
    with consumers(hold_in_a_blocked_thread, where) as (consumer,):
        assert consumer.hear() == stored
        consumer.kill()
    eventually_blocking(lambda: row(service, stored)[0] == "PENDING", within=30, what="the job comes back")
    _, attempts, result = row(service, stored)
    assert (attempts, result["lastError"]) == (1, "worker lost")
    again = jobs.claim_job(BOTH, wait=30)
    assert again is not None
    assert again.job_id == stored
    jobs.complete_job(stored, {"vectorizedCount": 0})


async def test_a_lost_lease_is_told_by_the_next_call(jobs: DatabaseQueue, service: QueueServiceUnderTest):
    stored = jobs.enqueue("VECTORIZE", {"projectId": "p-1"})
    async with (
        tcp_proxy(service.address) as proxy,
        AsyncDatabaseQueue(proxy.address, service.operator_token) as queue,
    ):
        assert await queue.claim_job(BOTH) is not None
        proxy.refuse()
        await eventually(lambda: row(service, stored)[0] == "PENDING", within=30, what="the job comes back")
        proxy.heal()

        async def told() -> bool:
            return await queue.update_progress(stored, 1, 2) is False

        await eventually(told, within=30, what="the handler is told to stop")
        with failing("complete job") as caught:
            await queue.complete_job(stored, {"vectorizedCount": 1})
        assert isinstance(caught.value.__cause__, StaleLease)
    assert row(service, stored)[0] == "PENDING"


def test_a_restart_of_the_queue_service_costs_neither_a_claim_nor_a_wait(
    jobs: DatabaseQueue, service: QueueServiceUnderTest
):
    held = jobs.enqueue("INGEST_DATA", INGEST)
    assert jobs.claim_job(BOTH) is not None
    with ThreadPoolExecutor(1) as pool:

        def take_one() -> str:
            job = next(iter(jobs.jobs(BOTH)))
            jobs.complete_job(job.job_id, {"vectorizedCount": 0})
            return job.job_id

        waiting = pool.submit(take_one)
        service.restart()
        assert jobs.update_progress(held, 1, 1) is True
        jobs.complete_job(held, {"savedCount": 1, "skippedCount": 0})
        later = jobs.enqueue("VECTORIZE", {"projectId": "p-2"})
        assert waiting.result(60) == later
    assert row(service, held)[:2] == ("COMPLETED", 1)


def test_a_claim_is_not_told_that_there_is_nothing_before_anybody_has_looked(
    jobs: DatabaseQueue, service: QueueServiceUnderTest, tmp_path: Path
):
    stored = {jobs.enqueue("VECTORIZE", {"projectId": f"p-{n}"}) for n in range(10)}
    go = tmp_path / "go"
    service.kill()
    service.start(JOBLINE_FAILPOINTS=f"claim.before_commit=wait:{go}")
    with ThreadPoolExecutor(20) as pool:
        claims = [pool.submit(jobs.claim_job, BOTH) for _ in range(20)]
        done, _ = wait(claims, timeout=0.5)
        assert done == set(), "the claimer is held up: nobody knows yet what there is"
        go.touch()
        claimed = [claim.result(30) for claim in claims]
    assert {job.job_id for job in claimed if job is not None} == stored
    assert claimed.count(None) == 10
