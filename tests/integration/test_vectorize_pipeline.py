"""VECTORIZE through the real queue service and a real embedding server: the chain, and what becomes of it when one fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace

import pytest

from jobline.worker import ErrandReport
from jobline_worker.pipelines.ingestion import vectorize
from support.embedding_server import EmbeddingServer, embedding_server
from support.eventually import eventually
from support.ingestion_house import VECTORIZE, IngestionHouse, house_of, record
from support.provider_servers import Reply
from support.queue_service import QueueServiceUnderTest
from support.record_workers import RecordWorkers, record_workers


@pytest.fixture
def house(service: QueueServiceUnderTest) -> Iterator[IngestionHouse]:
    yield from house_of(service)


@pytest.fixture
async def server() -> AsyncIterator[EmbeddingServer]:
    async with embedding_server() as opened:
        yield opened


@pytest.fixture
async def workers(service: QueueServiceUnderTest, server: EmbeddingServer) -> AsyncIterator[RecordWorkers]:
    async with record_workers(service, server.url) as opened:
        yield opened


async def load(house: IngestionHouse, workers: RecordWorkers, count: int, project: str = "") -> str:
    """The id of an ingest job whose records wait for their vectors."""
    job = house.start([record(number) for number in range(count)], project_id=project or house.project)
    assert (await workers.ingest(project or house.project)).succeeded == 1
    return str(job.id)


def results(house: IngestionHouse, project: str = "") -> list[object]:
    """What came of a project's VECTORIZE jobs, oldest first."""
    return [house.row(job_id)["result"] for job_id in house.jobs_of(VECTORIZE, project)]


def without_vector(house: IngestionHouse, project: str = "") -> int:
    query = "SELECT count(*) FROM data_records WHERE project_id = %s AND embedding IS NULL"
    return int(house.service.execute(query, project or house.project)[0][0])


def texts_of(requests: Sequence[Sequence[str]]) -> list[str]:
    return [text for request in requests for text in request]


async def once_more(workers: RecordWorkers, project: str) -> ErrandReport:
    """Runs one job of the project, as soon as it is due."""

    async def attempt() -> ErrandReport | None:
        report = await workers.vectorize(project, own_runs_only=True, max_jobs=1)
        return report if report.attempted else None

    report = await eventually(attempt, within=30, what="the job is due again")
    assert report
    return report


async def test_the_chain_embeds_each_record_once_in_its_order_and_ends(house: IngestionHouse, workers: RecordWorkers):
    ingest_job = await load(house, workers, 510)
    assert house.status(ingest_job) == "QUEUED_FOR_VEC"
    assert (await workers.vectorize(house.project, max_jobs=1)).succeeded == 1
    assert house.status(ingest_job) == "VECTORIZING"
    assert (await workers.vectorize_all(house.project)).succeeded == 2
    assert results(house) == [{"vectorizedCount": 250}, {"vectorizedCount": 250}, {"vectorizedCount": 10}]
    assert [len(request) for request in workers.embedder.requests] == [25] * 20 + [10]
    assert texts_of(workers.embedder.requests) == [record(number)["content"] for number in range(510)]
    assert workers.embedder.most_at_once == 1
    assert without_vector(house) == 0
    assert house.status(ingest_job) == "COMPLETED"
    rows = [house.row(job_id) for job_id in house.jobs_of(VECTORIZE)]
    assert [row["priority"] for row in rows] == [0, 0, 0]
    assert rows[0]["progress"] == {"current": 250, "total": 250, "message": "Embedding records..."}


async def test_a_job_that_finds_nothing_to_do_is_done(house: IngestionHouse, workers: RecordWorkers):
    house.enqueue(VECTORIZE)
    assert (await workers.vectorize(house.project)).succeeded == 1
    assert results(house) == [{"vectorizedCount": 0}]
    assert workers.embedder.requests == []


async def test_records_of_a_request_that_failed_wait_for_the_next_job(
    house: IngestionHouse, workers: RecordWorkers, server: EmbeddingServer
):
    ingest_job = await load(house, workers, 100)
    server.failing = 0.5
    assert (await workers.vectorize(house.project, max_jobs=1)).succeeded == 1
    assert results(house)[0] == {"vectorizedCount": 50}
    assert without_vector(house) == 50
    await workers.vectorize_all(house.project)
    assert results(house) == [{"vectorizedCount": 50}, {"vectorizedCount": 25}, {"vectorizedCount": 25}]
    assert sorted(texts_of(server.embedded)) == sorted(record(number)["content"] for number in range(100))
    assert house.status(ingest_job) == "COMPLETED"


async def test_a_dead_provider_costs_three_attempts_and_a_retry_mends_it(
    house: IngestionHouse, workers: RecordWorkers, server: EmbeddingServer, caplog: pytest.LogCaptureFixture
):
    ingest_job = await load(house, workers, 30)
    await server.die()
    for _ in range(3):
        assert (await once_more(workers, house.project)).failed == 1
    (job_id,) = house.jobs_of(VECTORIZE)
    row = house.row(job_id)
    assert (row["status"], row["attempts"]) == ("FAILED", 3)
    assert "embedding provider could not be reached" in row["result"]["error"]
    assert house.status(ingest_job) == "FAILED"
    assert house.ingest_job(ingest_job).error == row["result"]["error"]
    errors = [line for line in caplog.records if line.levelno == logging.ERROR]
    assert [line.name for line in errors] == ["jobline_worker.vectorization"] * 3
    await server.revive()
    house.retry(job_id)
    assert house.status(ingest_job) == "QUEUED_FOR_VEC"
    assert (await workers.vectorize_all(house.project)).succeeded == 1
    assert results(house) == [{"vectorizedCount": 30}]
    assert house.status(ingest_job) == "COMPLETED"


async def test_vectors_of_another_length_fail_the_job_and_name_both_lengths(
    house: IngestionHouse, workers: RecordWorkers, server: EmbeddingServer
):
    await load(house, workers, 60)
    server.dimensions = 768
    for _ in range(3):
        assert (await once_more(workers, house.project)).failed == 1
    (result,) = results(house)
    assert isinstance(result, dict)
    assert result["error"] == "Embedding dimension mismatch: expected 1536, got 768"
    assert server.asked == 3
    assert without_vector(house) == 60


async def test_one_job_of_a_project_runs_and_those_of_others_beside_it(house: IngestionHouse, workers: RecordWorkers):
    other = house.new_project()
    await load(house, workers, 30)
    house.enqueue(VECTORIZE)
    await load(house, workers, 30, other)
    workers.embedder.hold_from = 1
    limits = {"own_runs_only": True, "max_jobs": 2}
    first = asyncio.create_task(workers.runner.run("vectorization", **limits))
    await eventually(lambda: workers.embedder.at_once == 2, what="a job of each project runs")
    assert (await workers.vectorize(house.project, **limits)).attempted == 0
    workers.embedder.go_on.set()
    assert (await asyncio.wait_for(first, 30)).succeeded == 2
    await workers.vectorize_all(house.project)
    assert workers.embedder.most_at_once == 2
    assert without_vector(house) == without_vector(house, other) == 0
    assert len(texts_of(workers.embedder.requests)) == 60


async def test_time_that_is_up_ends_the_job_with_a_continuation(house: IngestionHouse, workers: RecordWorkers):
    ingest_job = await load(house, workers, 100)
    workers.embedder.hold_from = 2
    errand = asyncio.create_task(workers.vectorize(house.project, run_for=2.0, own_runs_only=True))
    await asyncio.wait_for(workers.embedder.held.wait(), 30)
    assert await asyncio.wait_for(errand, 30) == ErrandReport(1, 1, 0, complete=True)
    assert results(house) == [{"vectorizedCount": 25}, None]
    assert house.status(ingest_job) == "VECTORIZING"
    workers.embedder.hold_from = 0
    await workers.vectorize_all(house.project)
    assert results(house) == [{"vectorizedCount": 25}, {"vectorizedCount": 75}]
    assert house.status(ingest_job) == "COMPLETED"


@pytest.mark.parametrize("waits_long", [False, True])
async def test_time_that_is_up_before_anything_is_embedded_counts_only_if_the_provider_is_to_blame(
    house: IngestionHouse, workers: RecordWorkers, monkeypatch: pytest.MonkeyPatch, waits_long: bool
):
    """Or a job that a cron runs would be begun again for ever, at a provider that never answers within its time."""
    monkeypatch.setattr(vectorize, "_HANGING", 0.0 if waits_long else 1000.0)
    await load(house, workers, 10)
    workers.embedder.hold_from = 1
    report = await workers.vectorize(house.project, run_for=1.5)
    assert (report.attempted, report.failed) == (int(waits_long), int(waits_long))
    (job_id,) = house.jobs_of(VECTORIZE)
    row = house.row(job_id)
    assert (row["status"], row["attempts"]) == ("PENDING", int(waits_long))
    if waits_long:
        assert row["result"]["lastError"].startswith("embedding provider timeout: no answer within")


async def test_a_cancelled_run_asks_the_provider_no_more(
    house: IngestionHouse, workers: RecordWorkers, caplog: pytest.LogCaptureFixture
):
    await load(house, workers, 100)
    (job_id,) = house.jobs_of(VECTORIZE)
    workers.embedder.hold_from = 2
    errand = asyncio.create_task(workers.vectorize(house.project))
    await asyncio.wait_for(workers.embedder.held.wait(), 30)
    told = {"current": 25, "total": 100, "message": "Embedding records..."}
    await eventually(lambda: house.row(job_id)["progress"] == told, what="its progress is told")
    house.cancel(job_id)
    workers.embedder.go_on.set()
    assert (await asyncio.wait_for(errand, 30)).succeeded == 0
    assert len(workers.embedder.requests) == 2
    assert house.row(job_id)["status"] == "FAILED"
    assert without_vector(house) in (50, 75)
    assert house.jobs_of(VECTORIZE) == [job_id]
    assert not [line for line in caplog.records if line.levelno >= logging.ERROR]


async def test_one_answer_that_is_nonsense_costs_its_own_records_a_job(
    house: IngestionHouse, workers: RecordWorkers, server: EmbeddingServer
):
    await load(house, workers, 50)

    def spoil_once(reply: Reply) -> Reply:
        server.spoil = None
        return replace(reply, body=b'{"data": [{"embedding": "none"}]}')

    server.spoil = spoil_once
    await workers.vectorize_all(house.project)
    assert results(house) == [{"vectorizedCount": 25}, {"vectorizedCount": 25}]
    assert without_vector(house) == 0
