"""A worker that is killed in the middle of a load: another goes on behind what is stored, and no record is there twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.eventually import eventually
from support.ingestion_house import IngestionHouse, house_of, record
from support.queue_service import QueueServiceUnderTest, queue_service
from support.record_workers import record_workers
from support.worker_service import WorkerService

#: A lost worker is noticed within a test, and its jobs are tried again at once.
POLICIES = """
[queues.ingestion]
lease = "3s"
receipt = "3s"
backoff = ["10ms"]
"""
RECORDS = 2000


@pytest.fixture
def house(fresh_database: str, tmp_path: Path) -> Iterator[IngestionHouse]:
    with queue_service(fresh_database, tmp_path, POLICIES) as service:
        yield from house_of(service)


def stored(house: IngestionHouse) -> list[str]:
    return [content for (content,) in house.service.execute("SELECT content FROM data_records ORDER BY seq")]


async def test_a_load_whose_worker_is_killed_is_gone_on_with_by_another(house: IngestionHouse, tmp_path: Path):
    service: QueueServiceUnderTest = house.service
    values = [record(number % (RECORDS - 100)) for number in range(RECORDS)]
    job = house.start(values, chunk=1000, generate_embeddings=False)
    victim = WorkerService(service.address, service.worker_token, tmp_path, JOBLINE_WORKER_QUEUES="ingestion")
    try:
        await eventually(lambda: stored(house), within=60, what="the load has begun")
    finally:
        victim.kill()
    async with record_workers(service) as survivors:

        async def succeeded() -> int:
            return (await survivors.ingest(house.project)).succeeded

        await eventually(succeeded, within=60, what="the job is done by another worker")
        (place,) = survivors.records.read_from
        assert 0 < place < RECORDS
        assert survivors.records.places[0].done == place + 100
    assert stored(house) == [value["content"] for value in values[: RECORDS - 100]]
    found = house.ingest_job(job.id)
    assert (found.saved_count, found.skipped_count) == (RECORDS - 100, 100)
    (job_id,) = house.jobs_of()
    assert house.row(job_id)["attempts"] == 2
