"""INGEST_DATA through the real queue service: batches, what is skipped and why, and going on behind what is stored."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from jobline.worker import ErrandReport
from support.eventually import eventually
from support.ingestion_house import IngestionHouse, house_of, record
from support.queue_service import QueueServiceUnderTest
from support.record_workers import RecordWorkers, record_workers


@pytest.fixture
def house(service: QueueServiceUnderTest) -> Iterator[IngestionHouse]:
    yield from house_of(service)


@pytest.fixture
async def workers(service: QueueServiceUnderTest) -> AsyncIterator[RecordWorkers]:
    async with record_workers(service) as opened:
        yield opened


def numbered(count: int) -> list[dict[str, Any]]:
    return [record(number) for number in range(count)]


def stored(house: IngestionHouse, columns: str = "content", project: str = "") -> list[tuple[Any, ...]]:
    return house.service.execute(
        f"SELECT {columns} FROM data_records WHERE project_id = %s ORDER BY seq", project or house.project
    )


def only_job(house: IngestionHouse) -> dict[str, Any]:
    (job_id,) = house.jobs_of()
    return house.row(job_id)


async def test_values_are_stored_a_hundred_at_a_time_and_counted_exactly(house: IngestionHouse, workers: RecordWorkers):
    others = [*[record(number) for number in (1, 700, 3)], *[{"content": "nothing of the kind"}] * 2]
    values = [*numbered(400), *others, *[record(number) for number in range(400, 1000)]]
    job = house.start(values, filter_keywords=["RECORD"])
    assert (await workers.ingest(house.project)).succeeded == 1
    assert [place.done for place in workers.records.places] == [*range(100, 1001, 100), 1005]
    found = house.ingest_job(job.id)
    assert (found.total_records, found.saved_count, found.skipped_count) == (1005, 1000, 5)
    assert dict(found.skipped_details) == {"Duplicate ID": 3, "Keyword Mismatch": 2}
    assert house.status(job.id) == "QUEUED_FOR_VEC"
    row = only_job(house)
    assert (row["status"], row["result"]) == ("COMPLETED", {"savedCount": 1000, "skippedCount": 5})
    assert row["progress"] == {"current": 1005, "total": 1005, "message": "Processing records..."}
    assert len(stored(house)) == 1000


async def test_ten_thousand_records_are_one_job(house: IngestionHouse, workers: RecordWorkers):
    values = numbered(10_000)
    job = house.start(values, chunk=2500, generate_embeddings=False)
    assert (await workers.ingest(house.project)).succeeded == 1
    assert [batch.items for batch in workers.records.batches] == [100] * 100
    assert house.ingest_job(job.id).saved_count == 10_000
    assert house.status(job.id) == "COMPLETED"
    assert house.jobs_of("VECTORIZE") == []
    assert [content for (content,) in stored(house)] == [each["content"] for each in values]


async def test_what_a_record_says_of_itself_is_stored(house: IngestionHouse, workers: RecordWorkers):
    values: list[Any] = [
        {
            "feedback": "The answer was clear and complete.",
            "prompt": "not this one",
            "quality_rating": "Top 10",
            "created_by_id": 17,
            "created_by_name": "Ada",
            "created_by_email": "ada@example.com",
            "created_at": "2025-02-06T10:00:00Z",
            "updated_at": "the day after",
        },
        "a record that is a string",
        "",
        {"score": 0.1, "n": 1},
    ]
    house.start(values, type=2, source="https://example.com/export")
    await workers.ingest(house.project)
    columns = "type, category, source, content, metadata, created_by_id, created_by_name, created_by_email"
    first, second, third, fourth = stored(house, columns)
    where = "https://example.com/export"
    said = ("17", "Ada", "ada@example.com")
    assert first == ("FEEDBACK", "TOP_10", where, "The answer was clear and complete.", values[0], *said)
    assert second == ("FEEDBACK", None, where, values[1], values[1], None, None, None)
    assert third == ("FEEDBACK", None, where, '""', "", None, None, None)
    assert fourth == ("FEEDBACK", "BOTTOM_10", where, '{"score":0.1,"n":1}', values[3], None, None, None)
    times = "created_at = '2025-02-06T10:00:00Z', updated_at > now() - interval '1 hour'"
    assert stored(house, times) == [(True, True), *[(False, True)] * 3]


async def test_nothing_that_a_record_may_hold_stops_the_others(house: IngestionHouse, workers: RecordWorkers):
    text = "some text that is long enough"
    nasty: list[Any] = [
        {},
        " ",
        {"id": "ö" * 40_000, "text": text},
        {"id": {"a": []}, "metadata": [1], "text": text},
        {"metadata": {"id": 1e22, "uuid": -0.0, "task_id": 2**63 - 1}, "text": text},
        *(
            {"created_at": date, "updated_at": date, "text": text}
            for date in ("9999-12-31T23:59:59Z", "0001-01-01", -1)
        ),
        {"created_by_name": "x" * 300_000, "created_by_id": [], "created_by_email": False, "text": text},
        {"text": "🎉 \u2028 \x01 \x7f\r\n\t" * 3, "rating": 1e-308, "score": "\u0661"},
        {"a" * 1000: {"b": [[[[]]]]}, "rating": "top" * 10_000},
    ]
    house.start(nasty, chunk=1, filter_keywords=[])
    report = await workers.ingest(house.project)
    assert (report.succeeded, report.failed) == (1, 0)
    assert [metadata for (metadata,) in stored(house, "metadata")] == nasty


async def test_batches_end_at_a_mebibyte_and_a_record_of_400_kib_is_one_like_others(
    house: IngestionHouse, workers: RecordWorkers
):
    large = [{"id": number, "content": f"{number} " + "large " * 68_000} for number in range(5)]
    values = [*numbered(150), *large, *numbered(10)]
    house.start(values, chunk=1)
    await workers.ingest(house.project)
    assert [batch.items for batch in workers.records.batches] == [100, 51, 1, 1, 1, 11]
    assert only_job(house)["result"] == {"savedCount": 155, "skippedCount": 10}
    assert sum(len(content) for (content,) in stored(house)) > 5 * 400_000


async def test_a_run_that_failed_is_gone_on_with_behind_what_is_stored(
    house: IngestionHouse, workers: RecordWorkers, caplog: pytest.LogCaptureFixture
):
    values = [*numbered(450), record(7)]
    job = house.start(values, chunk=70)
    workers.records.fail_at = 4
    with caplog.at_level(logging.INFO):
        assert (await workers.ingest(house.project, max_jobs=1)).failed == 1
    row = only_job(house)
    assert (row["status"], row["attempts"]) == ("PENDING", 1)
    assert row["result"]["lastError"] == "internal error (RuntimeError)"
    (line,) = [each for each in caplog.records if each.name == "jobline_worker.ingestion" and each.levelname == "ERROR"]
    assert line.exc_info is not None
    assert house.status(job.id) == "PENDING"
    assert (await once_more(workers, house.project)).succeeded == 1
    assert workers.records.read_from == [0, 300]
    assert [place.done for place in workers.records.places] == [100, 200, 300, 400, 451]
    assert only_job(house)["result"] == {"savedCount": 450, "skippedCount": 1}
    assert len(set(stored(house))) == len(stored(house)) == 450


async def test_a_job_that_always_fails_is_tried_three_times_whatever_the_fault(
    house: IngestionHouse, workers: RecordWorkers
):
    house.start(numbered(5))
    for run in range(1, 4):
        workers.records.fail_at = run
        assert (await once_more(workers, house.project)).failed == 1
    row = only_job(house)
    assert (row["status"], row["attempts"], row["result"]["error"]) == ("FAILED", 3, "internal error (RuntimeError)")
    assert (await workers.ingest(house.project)).attempted == 0
    (job_id,) = house.jobs_of()
    house.retry(job_id)
    workers.records.fail_at = 0
    await workers.ingest(house.project)
    assert only_job(house)["status"] == "COMPLETED"


async def test_a_cancelled_run_stores_no_further_batch_and_ends_quietly(
    house: IngestionHouse, workers: RecordWorkers, caplog: pytest.LogCaptureFixture
):
    job = house.start(numbered(1000))
    workers.records.hold_at = 3
    errand = asyncio.create_task(workers.ingest(house.project))
    await asyncio.wait_for(workers.records.held.wait(), 30)
    house.cancel_ingest(job.id)
    workers.records.go_on.set()
    assert (await asyncio.wait_for(errand, 30)).succeeded == 0
    assert len(workers.records.batches) == 3
    row = only_job(house)
    assert (row["status"], row["result"]["error"]) == ("FAILED", "Job cancelled by user")
    assert house.status(job.id) == "CANCELLED"
    assert len(stored(house)) == 200
    assert not [line for line in caplog.records if line.levelno >= logging.ERROR]
    (job_id,) = house.jobs_of()
    house.retry(job_id)
    await workers.ingest(house.project)
    assert workers.records.read_from[-1] in (0, 200)
    assert only_job(house)["result"] == {"savedCount": 1000, "skippedCount": 0}


async def test_time_that_is_up_gives_the_job_back_and_it_is_gone_on_with(house: IngestionHouse, workers: RecordWorkers):
    house.start(numbered(3000), chunk=1000)
    workers.records.slower_by = 0.2
    assert await workers.ingest(house.project, run_for=1.5) == ErrandReport(0, 0, 0, complete=False)
    row = only_job(house)
    assert (row["status"], row["attempts"], row["result"]) == ("PENDING", 0, None)
    done = workers.records.places[-1].done
    assert 0 < done < 3000
    assert len(stored(house)) == done
    workers.records.slower_by = 0.0
    assert (await workers.ingest(house.project)).succeeded == 1
    assert workers.records.read_from == [0, done]
    row = only_job(house)
    assert (row["attempts"], row["result"]) == (1, {"savedCount": 3000, "skippedCount": 0})
    assert len(stored(house)) == 3000


async def test_two_jobs_that_load_the_same_at_once_store_each_record_once(
    house: IngestionHouse, workers: RecordWorkers
):
    values = numbered(500)
    first, second = house.start(values, chunk=90), house.start(values[::-1], chunk=110)
    assert (await workers.ingest(house.project)).succeeded == 2
    counts = [house.ingest_job(job.id) for job in (first, second)]
    assert sum(job.saved_count for job in counts) == sum(job.skipped_count for job in counts) == 500
    assert len(set(stored(house))) == len(stored(house)) == 500


async def test_five_jobs_are_three_and_two_and_none(house: IngestionHouse, workers: RecordWorkers):
    for _ in range(5):
        house.start([{"content": "one record without an id"}], generate_embeddings=False)
    limits = {"max_jobs": 3, "claim_for": 50.0, "run_for": 55.0, "own_runs_only": True}
    assert [(await workers.ingest(house.project, **limits)).attempted for _ in range(3)] == [3, 2, 0]
    assert len(stored(house)) == 5


async def once_more(workers: RecordWorkers, project: str) -> ErrandReport:
    """Runs the job once, as soon as its backoff is over."""

    async def attempt() -> ErrandReport | None:
        report = await workers.ingest(project, own_runs_only=True, max_jobs=1)
        return report if report.attempted else None

    report = await eventually(attempt, within=30, what="the job is due again")
    assert report
    return report
