"""Workers and services that vanish in the middle of the database queue's jobs: nothing is lost, and nobody waits for ever."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from support.eventually import eventually_blocking
from support.ingestion_house import VECTORIZE, IngestionHouse, house_of, record
from support.queue_calls import refused
from support.queue_service import QueueServiceUnderTest, queue_service
from support.stack import Databases

RECORDS = [record(number) for number in range(4)]
#: Runs of `ingestion` live long enough for any test, those of `vectorization` are lost within one.
POLICIES = """
[queues.ingestion]
lease = "2m"
receipt = "1m"
backoff = ["10ms"]
[queues.vectorization]
lease = "1s"
receipt = "1s"
backoff = ["10ms"]
"""


@pytest.fixture(scope="module")
def service(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueServiceUnderTest]:
    with databases.fresh() as url, queue_service(url, tmp_path_factory.mktemp("losses"), POLICIES) as running:
        yield running
        assert running.faults == []


@pytest.fixture
def house(service: QueueServiceUnderTest) -> Iterator[IngestionHouse]:
    yield from house_of(service)


def await_status(house: IngestionHouse, job_id: str, status: str) -> None:
    eventually_blocking(lambda: house.row(job_id)["status"] == status, within=20, what=f"the job is {status}")


def vectorize_job(house: IngestionHouse) -> tuple[str, str]:
    """The ids of an ingest job and its vectorize job, with records to do."""
    job = house.start(RECORDS)
    house.ingest(house.claim(), RECORDS)
    return job.id, house.jobs_of(VECTORIZE)[0]


def test_a_lost_worker_is_a_failure_that_says_so_and_the_last_one_is_final(house: IngestionHouse):
    name, job_id = vectorize_job(house)
    for attempt in (1, 2, 3):
        assert house.claim(VECTORIZE).job_id == job_id
        await_status(house, job_id, "PENDING" if attempt < 3 else "FAILED")
        row = house.row(job_id)
        assert row["attempts"] == attempt
        assert row["result"]["lastError" if attempt < 3 else "error"] == "worker lost"
        assert house.status(name) == ("QUEUED_FOR_VEC" if attempt < 3 else "FAILED")
    assert house.ingest_job(name).error == "worker lost"
    assert (house.jobs_of(VECTORIZE), house.claim_now(VECTORIZE)) == ([job_id], [])
    house.retry(job_id)
    assert (house.status(name), house.row(job_id)["attempts"]) == ("QUEUED_FOR_VEC", 0)


def test_a_run_that_was_lost_stores_nothing_more(house: IngestionHouse):
    name, job_id = vectorize_job(house)
    run = house.claim(VECTORIZE)
    await_status(house, job_id, "PENDING")
    with refused("STALE_LEASE"):
        house.embed(run)
    with refused("STALE_LEASE"):
        house.operator.complete(run, {"vectorizedCount": 4})
    assert house.status(name) == "QUEUED_FOR_VEC"


def test_everything_is_there_after_the_service_was_killed(house: IngestionHouse, service: QueueServiceUnderTest):
    """Also the follow-up that no worker has heard of yet."""
    name, follow_up = vectorize_job(house)
    half = house.start([record(f"half-{number}") for number in range(4)])
    run = house.claim()
    house.save(run, 0, [record(f"half-{number}") for number in range(2)])
    waiting = house.start([record(f"other-{number}") for number in range(2)])
    cancelled = house.start(RECORDS)
    house.cancel_ingest(cancelled.id)
    rows = [house.row(job_id) for job_id in house.jobs_of()]
    service.restart()
    house.operator.channel_ready()
    house.owner.channel_ready()
    assert [house.row(job_id) for job_id in house.jobs_of()] == rows
    house.save(run, 2, [record(f"half-{number}") for number in range(2, 4)])
    house.operator.complete(run)
    assert (house.status(half.id), house.ingest_job(half.id).saved_count) == ("QUEUED_FOR_VEC", 4)
    run = house.claim()
    house.save(run, 0, [record(f"other-{number}") for number in range(2)])
    house.operator.complete(run)
    assert house.status(waiting.id) == "QUEUED_FOR_VEC"
    assert house.claim_now() == []
    assert len(house.jobs_of(VECTORIZE)) == 3
    assert house.status(name) == "QUEUED_FOR_VEC"
    assert house.claim(VECTORIZE).job_id == follow_up


def test_a_call_that_breaks_leaves_nothing(house: IngestionHouse):
    request_id = "018f3e5c-0000-7000-8000-" + uuid.uuid4().hex[:12]
    with refused("INVALID_FIELD"):
        house.start([*RECORDS, 7], chunk=1, request_id=request_id)
    assert house.jobs_of() == []
    assert house.service.execute("SELECT FROM ingest_jobs WHERE project_id = %s", house.project) == []
    assert house.start(RECORDS, request_id=request_id).total_records == len(RECORDS)
