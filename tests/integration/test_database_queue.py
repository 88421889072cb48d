"""The DatabaseQueue library against the real queue service: enqueue and claim, each rule of the specification by name."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import uuid_utils

from jobline.database_queue import AsyncDatabaseQueue, DatabaseQueue
from jobline.errors import InvalidField
from support.ingestion_house import IngestionHouse, house_of
from support.library_queue import BOTH, RECORDS, failing, ingest, opened, vectorize
from support.queue_consumers import claim_and_complete, consumers
from support.queue_service import QueueServiceUnderTest


@pytest.fixture
def house(service: QueueServiceUnderTest) -> Iterator[IngestionHouse]:
    """The shared service without jobs of these types."""
    yield from house_of(service)


@pytest.fixture
def jobs(house: IngestionHouse) -> Iterator[DatabaseQueue]:
    yield from opened(house.service)


@pytest.fixture
def other(house: IngestionHouse) -> Iterator[DatabaseQueue]:
    """Another queue object."""
    yield from opened(house.service)


# ---- enqueue -----------------------------------------------------------------------------------------------------------


def test_a_new_job_is_pending_and_has_the_defaults(jobs: DatabaseQueue, house: IngestionHouse):
    found = house.row(ingest(jobs))
    assert (found["status"], found["priority"], found["attempts"], found["max_attempts"]) == ("PENDING", 0, 0, 3)
    assert found["payload"]["records"] == RECORDS


@pytest.mark.parametrize("priority", [-(2**31), 2**31 - 1])
def test_a_priority_is_any_32_bit_integer(jobs: DatabaseQueue, house: IngestionHouse, priority: int):
    assert house.row(ingest(jobs, priority=priority))["priority"] == priority


@pytest.mark.parametrize(
    ("terms", "complaint"),
    [
        ({"priority": 2**31}, "priority: "),
        ({"max_attempts": 0}, "max_attempts: "),
        ({"max_attempts": 101}, "max_attempts: "),
        ({"scheduled_for": datetime(2026, 1, 1)}, "scheduled_for: "),  # noqa: DTZ001 - that is the point
        ({"request_id": "again"}, ".*UUID"),
    ],
)
def test_bad_terms_are_refused(jobs: DatabaseQueue, terms: dict[str, Any], complaint: str):
    with failing("enqueue job", complaint):
        vectorize(jobs, **terms)


def test_a_job_type_other_than_the_two_is_refused(jobs: DatabaseQueue):
    with failing("enqueue job", "job_type: ") as caught:
        jobs.enqueue("generate_email", {"projectId": "p"})
    assert isinstance(caught.value.__cause__, ValueError)
    with failing("claim job", "types: "):
        jobs.claim_job(["generate_email"])


def test_a_payload_that_the_service_refuses_is_told_in_its_words(jobs: DatabaseQueue):
    with failing("enqueue job", "projectId") as caught:
        jobs.enqueue("VECTORIZE", {})
    assert isinstance(caught.value.__cause__, InvalidField)


@pytest.mark.parametrize("value", [float("nan"), object(), "half a \ud83d sign"], ids=["nan", "object", "surrogate"])
def test_what_json_cannot_hold_is_refused(jobs: DatabaseQueue, value: Any):
    with failing("enqueue job", "payload: "):
        jobs.enqueue("VECTORIZE", {"projectId": "p", "x": value})
    with failing("enqueue job", "expected a JSON value"):
        jobs.enqueue("INGEST_DATA", {"projectId": "p", "records": ["a text", {"x": value}]})
    assert jobs.claim_job(BOTH) is None


def test_higher_priorities_come_first_then_earlier_times_then_the_order_of_arrival(jobs: DatabaseQueue):
    now = datetime.now(UTC)
    late = vectorize(jobs, scheduled_for=now - timedelta(seconds=10))
    early = vectorize(jobs, scheduled_for=now - timedelta(seconds=20))
    urgent = vectorize(jobs, priority=1)
    third = vectorize(jobs, scheduled_for=now - timedelta(seconds=10))
    assert [job.job_id for job in jobs.jobs(BOTH, wait=0)] == [urgent, early, late, third]


def test_the_types_of_a_claim_share_one_order(jobs: DatabaseQueue):
    ids = [enqueue(jobs, priority=each) for each, enqueue in enumerate([vectorize, ingest] * 3)]
    assert [job.job_id for job in jobs.jobs(BOTH, wait=0)] == ids[::-1]


def test_a_job_is_not_claimed_before_its_time(jobs: DatabaseQueue):
    vectorize(jobs, scheduled_for=datetime.now(UTC) + timedelta(hours=1))
    assert jobs.claim_job(BOTH) is None
    due = datetime.now(UTC) + timedelta(milliseconds=300)
    soon = vectorize(jobs, scheduled_for=due)
    job = jobs.claim_job(BOTH, wait=20)
    assert job is not None
    assert job.job_id == soon
    assert datetime.now(UTC) >= due


def test_a_repeated_request_id_stores_one_job(jobs: DatabaseQueue, other: DatabaseQueue):
    for job_type, payload in (
        ("VECTORIZE", {"projectId": "p-once"}),
        ("INGEST_DATA", {"projectId": "p-once", "records": RECORDS}),
    ):
        request_id = str(uuid_utils.uuid7())
        first = jobs.enqueue(job_type, payload, request_id=request_id)
        assert other.enqueue(job_type, payload, request_id=request_id) == first
        assert jobs.enqueue(job_type, payload) != first


# ---- claim -------------------------------------------------------------------------------------------------------------


def test_a_claimed_job_says_what_it_is_and_is_processing(jobs: DatabaseQueue, house: IngestionHouse):
    payload = {"projectId": "p-456", "records": RECORDS, "generateEmbeddings": True, "source": "ü"}
    job_id = jobs.enqueue("INGEST_DATA", payload, priority=1)
    job = jobs.claim_job(["INGEST_DATA"])
    assert job is not None
    assert (job.job_id, job.job_type, job.payload) == (job_id, "INGEST_DATA", payload)
    found = house.row(job_id)
    assert (found["status"], found["attempts"]) == ("PROCESSING", 1)


def test_only_jobs_of_the_types_asked_for_are_claimed(jobs: DatabaseQueue):
    vectorize(jobs)
    assert jobs.claim_job("INGEST_DATA") is None
    assert jobs.claim_job("VECTORIZE") is not None


def test_a_project_is_vectorized_by_one_job_at_a_time(jobs: DatabaseQueue):
    first, second, another = (jobs.enqueue("VECTORIZE", {"projectId": name}) for name in ("p-1", "p-1", "p-2"))
    assert [job.job_id for job in jobs.jobs(BOTH, wait=0)] == [first, another]
    jobs.complete_job(first, {"vectorizedCount": 0})
    job = jobs.claim_job(BOTH)
    assert job is not None
    assert job.job_id == second


def test_twenty_claims_at_once_on_ten_jobs_get_ten_different_jobs(jobs: DatabaseQueue):
    stored = {ingest(jobs) for _ in range(10)}
    barrier = threading.Barrier(20)

    def claim(_: int) -> str | None:
        barrier.wait()
        job = jobs.claim_job(BOTH)
        return job and job.job_id

    with ThreadPoolExecutor(20) as pool:
        claimed = list(pool.map(claim, range(20)))
    assert claimed.count(None) == 10
    assert set(claimed) - {None} == stored


def test_processes_that_claim_at_once_never_get_the_same_job(jobs: DatabaseQueue, house: IngestionHouse):
    stored = {vectorize(jobs) for _ in range(10)}
    where = (house.service.address, house.service.operator_token, BOTH, 10)
    with consumers(claim_and_complete, where, where) as processes:
        assert [each.hear() for each in processes] == ["ready", "ready"]
        for each in processes:
            each.go.set()
        claimed = [job_id for each in processes for job_id in each.hear()]
    assert claimed.count(None) == 10
    assert set(claimed) - {None} == stored
    assert jobs.get_queue_stats().processing == 0


async def test_tasks_of_one_event_loop_claim_different_jobs(jobs: DatabaseQueue, house: IngestionHouse):
    stored = {vectorize(jobs) for _ in range(10)}
    async with AsyncDatabaseQueue(house.service.address, house.service.operator_token) as queue:
        claimed = await asyncio.gather(*(queue.claim_job(BOTH) for _ in range(20)))
        assert {job.job_id for job in claimed if job is not None} == stored
        assert claimed.count(None) == 10
        await asyncio.gather(*(queue.complete_job(job_id, {"vectorizedCount": 0}) for job_id in stored))


async def test_a_claim_that_waits_gets_a_job_that_comes_later(jobs: DatabaseQueue, house: IngestionHouse):
    async with AsyncDatabaseQueue(house.service.address, house.service.operator_token) as queue:
        waiting = asyncio.create_task(queue.claim_job(BOTH, wait=30))
        stored = await asyncio.to_thread(vectorize, jobs)
        job = await waiting
    assert job is not None
    assert job.job_id == stored


async def test_a_job_that_comes_to_a_caller_who_has_gone_is_given_back(jobs: DatabaseQueue, house: IngestionHouse):
    async with AsyncDatabaseQueue(house.service.address, house.service.operator_token) as queue:
        waiting = asyncio.create_task(queue.claim_job(BOTH, wait=30))
        await asyncio.wait({waiting}, timeout=0.2)  # the claim is under way
        waiting.cancel()
        await asyncio.wait({waiting})
        stored = await asyncio.to_thread(vectorize, jobs)
        job = await asyncio.to_thread(jobs.claim_job, BOTH, wait=20)
    assert job is not None
    assert job.job_id == stored
    assert house.row(stored)["attempts"] == 1
