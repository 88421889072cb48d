"""The DatabaseQueue library against the real queue service: ends of runs, what operators do, and the queue object itself."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from jobline.database_queue import AsyncDatabaseQueue, DatabaseQueue, DatabaseQueueStats
from jobline.errors import Cancelled, NotFound, StaleLease, WrongState
from jobline.runtime import SettingsError
from jobline_local.ports import free_port
from support.eventually import eventually_blocking
from support.ingestion_house import IngestionHouse, house_of
from support.library_queue import BOTH, NOBODY, RECORDS, failing, ingest, new_project, opened, vectorize
from support.queue_calls import Calls
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


# ---- complete, fail ----------------------------------------------------------------------------------------------------


def test_a_completed_job_has_its_result_and_no_payload(jobs: DatabaseQueue, house: IngestionHouse):
    job_id = ingest(jobs)
    assert jobs.claim_job(BOTH) is not None
    jobs.complete_job(job_id, {"savedCount": 1000, "skippedCount": 5})
    found = house.row(job_id)
    assert (found["status"], found["result"]) == ("COMPLETED", {"savedCount": 1000, "skippedCount": 5})
    assert found["payload"] is None
    assert found["completed_at"] is not None


def test_a_failed_job_waits_for_its_next_attempt_until_none_is_left(
    jobs: DatabaseQueue, house: IngestionHouse, caplog: pytest.LogCaptureFixture
):
    job_id = ingest(jobs, max_attempts=2)
    assert jobs.claim_job(BOTH) is not None
    with caplog.at_level(logging.WARNING):
        jobs.fail_job(job_id, RuntimeError("first try"))
    assert "RuntimeError: first try" in caplog.text, "the traceback goes to the log"
    found = house.row(job_id)
    assert (found["status"], found["result"]["lastError"]) == ("PENDING", "first try")
    again = jobs.claim_job(BOTH, wait=20)
    assert again is not None
    assert again.payload["records"] == RECORDS
    jobs.fail_job(job_id, "second try")
    found = house.row(job_id)
    assert (found["status"], found["result"]["error"], found["attempts"]) == ("FAILED", "second try", 2)
    assert found["payload"]["records"] == RECORDS


def test_a_job_can_only_be_ended_by_who_claimed_it(jobs: DatabaseQueue, other: DatabaseQueue):
    job_id = vectorize(jobs)
    for nobodys in (job_id, NOBODY, "not-an-id"):
        with failing("complete job", "job .* is not claimed by this queue"):
            jobs.complete_job(nobodys)
    assert jobs.claim_job(BOTH) is not None
    with failing("complete job") as caught:
        other.complete_job(job_id)
    assert isinstance(caught.value.__cause__, StaleLease)
    with failing("fail job"):
        other.fail_job(job_id, "not mine")
    jobs.complete_job(job_id, {"vectorizedCount": 0})
    with failing("complete job"):
        jobs.complete_job(job_id)


def test_a_pool_may_end_what_the_main_thread_has_claimed(jobs: DatabaseQueue):
    job_id = vectorize(jobs)
    assert jobs.claim_job(BOTH) is not None
    with ThreadPoolExecutor(1) as pool:
        pool.submit(jobs.complete_job, job_id, {"vectorizedCount": 0}).result()
    with failing("complete job"):
        jobs.complete_job(job_id)


def test_a_job_that_was_cancelled_meanwhile_cannot_be_completed(jobs: DatabaseQueue, house: IngestionHouse):
    with Calls(house.service.address, house.service.operator_token) as calls:
        job_id = vectorize(jobs)
        assert jobs.claim_job(BOTH) is not None
        calls.cancel(job_id)
    assert jobs.update_progress(job_id, 1, 2) is False
    with failing("complete job") as caught:
        jobs.complete_job(job_id, {"vectorizedCount": 1})
    assert isinstance(caught.value.__cause__, StaleLease | Cancelled)
    assert house.row(job_id)["status"] == "FAILED"


def test_a_result_that_cannot_be_stored_leaves_the_job_claimed(jobs: DatabaseQueue):
    job_id = vectorize(jobs)
    assert jobs.claim_job(BOTH) is not None
    for result in (object(), "x" * (1024 * 1024 + 1)):
        with failing("complete job"):
            jobs.complete_job(job_id, result)
    jobs.complete_job(job_id, {"vectorizedCount": 0})


# ---- progress ----------------------------------------------------------------------------------------------------------


def test_progress_is_told_and_anything_wrong_with_it_is_not_raised(
    jobs: DatabaseQueue, other: DatabaseQueue, house: IngestionHouse
):
    job_id = ingest(jobs)
    assert jobs.claim_job(BOTH) is not None
    assert jobs.update_progress(job_id, 500, 1000, "Processing records...") is True
    told = {"current": 500, "total": 1000, "message": "Processing records..."}
    eventually_blocking(lambda: house.row(job_id)["progress"] == told, what="the progress is in the row")
    anything: Any = object()
    for current, total in ((2, 1), (-1, 1), (anything, 1), (1, 2**70)):
        assert jobs.update_progress(job_id, current, total) is True
    assert house.row(job_id)["progress"] == told
    for queue, nobodys in ((other, job_id), (jobs, NOBODY), (jobs, anything)):
        assert queue.update_progress(nobodys, 1, 1) is False


# ---- stats, cleanup, retry ---------------------------------------------------------------------------------------------


def test_jobs_are_counted_by_status_and_removed_by_age(jobs: DatabaseQueue):
    jobs.cleanup(0)
    assert jobs.get_queue_stats() == DatabaseQueueStats(0, 0, 0, 0)
    done, failed = vectorize(jobs), vectorize(jobs, max_attempts=1)
    assert [job.job_id for job in jobs.jobs(BOTH, wait=0)] == [done, failed]
    jobs.complete_job(done, {"vectorizedCount": 0})
    jobs.fail_job(failed, "no")
    vectorize(jobs)
    assert jobs.claim_job(BOTH) is not None
    vectorize(jobs)
    assert jobs.get_queue_stats() == DatabaseQueueStats(pending=1, processing=1, completed=1, failed=1)
    assert jobs.cleanup() == 0, "seven days is the default"
    assert jobs.cleanup(older_than_days=0) == 2
    assert jobs.get_queue_stats() == DatabaseQueueStats(pending=1, processing=1, completed=0, failed=0)
    with failing("clean up jobs", "older_than_days: "):
        jobs.cleanup(-1)


def test_a_failed_job_is_retried_with_its_payload_and_no_other(jobs: DatabaseQueue, house: IngestionHouse):
    job_id = ingest(jobs, max_attempts=1)
    with failing("retry job") as caught:
        jobs.retry_job(job_id)
    assert isinstance(caught.value.__cause__, WrongState)
    assert jobs.claim_job(BOTH) is not None
    jobs.fail_job(job_id, "no")
    jobs.retry_job(job_id)
    found = house.row(job_id)
    assert (found["status"], found["attempts"], found["result"]) == ("PENDING", 0, None)
    job = jobs.claim_job(BOTH)
    assert job is not None
    assert job.payload["records"] == RECORDS
    for nobodys in (NOBODY, "not-an-id"):
        with failing("retry job") as caught:
            jobs.retry_job(nobodys)
        assert isinstance(caught.value.__cause__, NotFound)


# ---- large inputs ------------------------------------------------------------------------------------------------------


def test_twenty_thousand_records_come_back_as_they_went_in(jobs: DatabaseQueue, house: IngestionHouse):
    records = [
        {
            "id": n,
            "content": f"Record number {n} with a text of its own. " * 8,
            "score": n / 7,
            "tags": ["ä", None, True],
        }
        for n in range(20_000)
    ]
    assert len(json.dumps(records)) > 6 * 1024 * 1024, "more than a message holds"
    job_id = jobs.enqueue("INGEST_DATA", {"projectId": new_project(), "records": records})
    job = jobs.claim_job(BOTH)
    assert job is not None
    assert job.job_id == job_id
    assert job.payload["records"] == records
    jobs.complete_job(job_id, {"savedCount": 20_000, "skippedCount": 0})
    assert house.row(job_id)["payload"] is None


# ---- the queue object --------------------------------------------------------------------------------------------------


def test_settings_say_where_to_go_where_no_argument_does(house: IngestionHouse, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JOBLINE_QUEUE_ADDRESS", house.service.address)
    monkeypatch.setenv("JOBLINE_TOKEN", house.service.operator_token)
    with DatabaseQueue() as queue:
        assert queue.get_queue_stats().processing == 0
    with DatabaseQueue(token=house.service.producer_token) as queue, failing("claim job", "producer"):
        queue.claim_job(BOTH)


def test_an_embedded_stack_says_where_to_go_where_no_setting_does(
    house: IngestionHouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    for name in ("JOBLINE_QUEUE_ADDRESS", "JOBLINE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JOBLINE_DATA_DIR", str(tmp_path))
    with pytest.raises(SettingsError, match="JOBLINE_QUEUE_ADDRESS"):
        DatabaseQueue()
    endpoints = {"queue": house.service.address, "operator_token": house.service.operator_token}
    (tmp_path / "endpoints.json").write_text(json.dumps(endpoints))
    with DatabaseQueue() as queue:
        assert queue.get_queue_stats().processing == 0


def test_a_service_that_is_not_there_is_told_within_the_deadline(house: IngestionHouse):
    with DatabaseQueue(f"127.0.0.1:{free_port()}", house.service.operator_token, deadline=0.3) as queue:
        with failing("get queue stats"):
            queue.get_queue_stats()
        with failing("enqueue job"):
            vectorize(queue)
        with failing("claim job"):
            next(iter(queue.jobs(BOTH, wait=0.5)))


def test_closing_gives_back_what_is_claimed(other: DatabaseQueue, house: IngestionHouse):
    with DatabaseQueue(house.service.address, house.service.operator_token) as queue:
        stored = {vectorize(queue) for _ in range(3)}
        assert {job.job_id for job in queue.jobs(BOTH, wait=0)} == stored
    assert {job.job_id for job in other.jobs(BOTH, wait=0)} == stored
    assert {house.row(job_id)["attempts"] for job_id in stored} == {1}, "what is given back did not count"
    with failing("claim job", "the queue is closed"):
        queue.claim_job(BOTH)
    assert list(queue.jobs(BOTH)) == []
    assert queue.update_progress(stored.pop(), 1, 2) is False


def test_a_queue_object_that_is_thrown_away_gives_back_what_it_claimed(jobs: DatabaseQueue, house: IngestionHouse):
    stored = vectorize(jobs)
    dropped = DatabaseQueue(house.service.address, house.service.operator_token)
    assert dropped.claim_job(BOTH) is not None
    del dropped
    job = jobs.claim_job(BOTH, wait=20)
    assert job is not None
    assert job.job_id == stored


async def test_the_asynchronous_queue_has_the_same_methods(house: IngestionHouse):
    async with AsyncDatabaseQueue(house.service.address, house.service.operator_token) as queue:
        await queue.cleanup(0)
        stored = [await queue.enqueue("INGEST_DATA", {"projectId": "p", "records": RECORDS}, max_attempts=1)]
        stored.append(await queue.enqueue("VECTORIZE", {"projectId": "p"}))
        claimed = [job async for job in queue.jobs(BOTH, wait=0)]
        assert sorted(job.job_id for job in claimed) == sorted(stored)
        assert await queue.update_progress(stored[0], 1, 2, "one")
        await queue.fail_job(stored[0], ValueError("no"))
        await queue.complete_job(stored[1], {"vectorizedCount": 0})
        assert await queue.get_queue_stats() == DatabaseQueueStats(0, 0, 1, 1)
        await queue.retry_job(stored[0])
        assert await queue.cleanup(0) == 1
