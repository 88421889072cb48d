"""From records to vectors: an ingest job follows its queue jobs, and one run leaves the next without a gap."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from jobline.v1 import ingestion_service_pb2 as pb
from support.ingestion_house import VECTORIZE, IngestionHouse, house_of, record
from support.queue_service import QueueServiceUnderTest

RECORDS = [record(1), record(2)]


@pytest.fixture
def house(service: QueueServiceUnderTest) -> Iterator[IngestionHouse]:
    yield from house_of(service)


def test_an_ingest_job_goes_from_pending_to_completed(house: IngestionHouse):
    job = house.start(RECORDS)
    assert (job.project_id, job.type, job.total_records) == (house.project, pb.RECORD_TYPE_TASK, 2)
    assert (job.saved_count, job.skipped_count, dict(job.skipped_details), job.error) == (0, 0, {}, "")
    seen = [house.status(job.id)]
    run = house.claim()
    seen.append(house.status(job.id))
    house.ingest(run, RECORDS)
    seen.append(house.status(job.id))
    run = house.claim(VECTORIZE)
    seen.append(house.status(job.id))
    house.vectorize(run)
    seen.append(house.status(job.id))
    assert seen == ["PENDING", "PROCESSING", "QUEUED_FOR_VEC", "VECTORIZING", "COMPLETED"]
    done = house.ingest_job(job.id)
    assert done.saved_count == 2
    assert done.created_at.ToDatetime() <= job.updated_at.ToDatetime() < done.updated_at.ToDatetime()
    assert house.row(run.job_id)["result"] == {"vectorizedCount": 2}


def test_the_vectorize_job_has_priority_0_and_says_whose_records_it_is_for(house: IngestionHouse):
    job = house.start(RECORDS)
    house.ingest(house.claim(), RECORDS)
    row = house.row(house.jobs_of(VECTORIZE)[0])
    assert (row["priority"], row["status"], row["attempts"], row["max_attempts"]) == (0, "PENDING", 0, 3)
    assert row["payload"] == {"ingestJobId": job.id, "projectId": house.project}
    assert row["created_at"] == row["scheduled_for"]


def test_without_embeddings_there_is_no_vectorize_job(house: IngestionHouse):
    job = house.start(RECORDS, generate_embeddings=False)
    house.ingest(house.claim(), RECORDS)
    assert (house.status(job.id), house.jobs_of(VECTORIZE)) == ("COMPLETED", [])


def test_where_nothing_was_saved_nobody_waits_for_vectors(house: IngestionHouse):
    job = house.start(["no keyword"], filter_keywords=["answer"])
    house.ingest(house.claim(), [], mismatches=1)
    assert (house.status(job.id), house.jobs_of(VECTORIZE)) == ("COMPLETED", [])
    assert dict(house.ingest_job(job.id).skipped_details) == {"Keyword Mismatch": 1}


@pytest.mark.parametrize("generate", [None, True])
def test_a_programs_job_without_ingest_job_goes_on_to_vectors_too(house: IngestionHouse, generate: bool | None):
    payload = {"projectId": house.project, "generateEmbeddings": generate}
    house.enqueue_with(RECORDS, payload=payload)
    house.ingest(house.claim(), RECORDS)
    run = house.claim(VECTORIZE)
    assert json.loads(run.payload_json) == {"projectId": house.project}
    assert house.vectorize(run) == 2


def test_a_vectorize_job_that_leaves_records_leaves_another_one_with_the_same_payload(house: IngestionHouse):
    payload = {"projectId": house.project, "note": "mine"}
    house.start(RECORDS, generate_embeddings=False)
    house.ingest(house.claim(), RECORDS)
    house.enqueue(VECTORIZE, payload=payload, max_attempts=5, priority=7)
    run = house.claim(VECTORIZE)
    assert house.vectorize(run, 1) == 1
    first, second = house.jobs_of(VECTORIZE)
    assert (house.row(first)["status"], house.row(first)["result"]) == ("COMPLETED", {"vectorizedCount": 1})
    row = house.row(second)
    assert (row["status"], row["payload"], row["priority"], row["max_attempts"]) == ("PENDING", payload, 7, 5)
    assert house.vectorize(house.claim(VECTORIZE)) == 1
    assert house.jobs_of(VECTORIZE) == [first, second]


def test_an_ingest_job_stays_in_vectorizing_while_the_chain_goes_on(house: IngestionHouse):
    job = house.start(RECORDS)
    house.ingest(house.claim(), RECORDS)
    house.vectorize(house.claim(VECTORIZE), 1)
    assert house.status(job.id) == "VECTORIZING"
    house.vectorize(house.claim(VECTORIZE), 1)
    assert house.status(job.id) == "COMPLETED"


@pytest.mark.parametrize(
    "result", [None, {}, {"vectorizedCount": 0}, {"vectorizedCount": "2"}, {"vectorizedCount": True}]
)
def test_a_run_that_embedded_nothing_fails_instead_of_leaving_another_one(house: IngestionHouse, result: Any):
    job = house.start(RECORDS)
    house.ingest(house.claim(), RECORDS)
    for _ in range(2):
        house.operator.complete(house.claim(VECTORIZE), result)
        assert house.status(job.id) == "QUEUED_FOR_VEC"
    house.operator.complete(house.claim(VECTORIZE), result)
    (only,) = house.jobs_of(VECTORIZE)
    assert (house.row(only)["status"], house.row(only)["attempts"]) == ("FAILED", 3)
    assert house.row(only)["result"]["error"] == "No record was embedded."
    assert (house.status(job.id), house.ingest_job(job.id).error) == ("FAILED", "No record was embedded.")


def test_a_vectorize_job_without_records_to_do_completes(house: IngestionHouse):
    job_id = house.enqueue(VECTORIZE)
    assert house.vectorize(house.claim(VECTORIZE)) == 0
    assert (house.row(job_id)["status"], house.row(job_id)["result"]) == ("COMPLETED", {"vectorizedCount": 0})


def test_a_run_that_had_no_records_to_do_has_not_failed_when_new_ones_come_before_its_end(house: IngestionHouse):
    first = house.enqueue(VECTORIZE)
    job = house.start(RECORDS, generate_embeddings=False)
    run = house.claim(VECTORIZE)
    assert house.embed(run) == 0
    house.ingest(house.claim(), RECORDS)
    house.operator.complete(run, {"vectorizedCount": 0})
    assert (house.row(first)["status"], house.row(first)["result"]) == ("COMPLETED", {"vectorizedCount": 0})
    house.operator.release(house.claim(VECTORIZE))
    _, follow_up = house.jobs_of(VECTORIZE)
    run = house.claim(VECTORIZE)
    assert run.job_id == follow_up
    house.operator.complete(run, {"vectorizedCount": 0})
    assert house.row(follow_up)["result"]["lastError"] == "No record was embedded.", "this one had some to do"
    assert house.status(job.id) == "COMPLETED"


def test_a_vectorize_run_that_fails_puts_its_ingest_job_back_in_line(house: IngestionHouse):
    job = house.start(RECORDS)
    house.ingest(house.claim(), RECORDS)
    seen = []
    for _ in range(3):
        run = house.claim(VECTORIZE)
        seen.append(house.status(job.id))
        house.operator.fail(run, message="the provider is dead")
        seen.append(house.status(job.id))
    assert seen == ["VECTORIZING", "QUEUED_FOR_VEC"] * 2 + ["VECTORIZING", "FAILED"]
    assert house.ingest_job(job.id).error == "the provider is dead"
    assert house.jobs_of(VECTORIZE) == [run.job_id]


def test_a_vectorize_run_that_is_given_back_puts_its_ingest_job_back_in_line(house: IngestionHouse):
    job = house.start(RECORDS)
    house.ingest(house.claim(), RECORDS)
    house.operator.release(house.claim(VECTORIZE))
    assert house.status(job.id) == "QUEUED_FOR_VEC"


def test_an_ingest_run_that_fails_puts_its_ingest_job_back(house: IngestionHouse):
    job = house.start(RECORDS)
    seen = []
    for _ in range(3):
        house.operator.fail(house.claim(), message="no luck")
        seen.append((house.status(job.id), house.ingest_job(job.id).error))
    assert seen == [("PENDING", ""), ("PENDING", ""), ("FAILED", "no luck")]


def test_two_ingest_jobs_of_one_project_end_completed_and_their_chain_has_no_gap(house: IngestionHouse):
    """Whoever's vectorize job embeds the other's records: as long as some are left, a job for them is open."""
    sets = [[record(f"{name}-{number}") for number in range(3)] for name in "ab"]
    jobs = [house.start(records) for records in sets]
    for records, run in zip(sets, house.claim_now(), strict=True):
        house.ingest(run, records)
    runs = 0
    while waiting := house.claim_now(VECTORIZE):
        (run,) = waiting
        house.vectorize(run, 2)
        runs += 1
        left = house.service.execute(
            "SELECT FROM data_records WHERE project_id = %s AND embedding IS NULL", house.project
        )
        assert not left or house.stats(0).pending > 0
    assert [house.status(job.id) for job in jobs] == ["COMPLETED", "COMPLETED"]
    assert runs <= 5
    assert house.stats(0).pending == 0


def test_ingest_jobs_of_two_projects_run_side_by_side(house: IngestionHouse):
    other = house.new_project()
    jobs = [house.start(RECORDS, project_id=project) for project in (house.project, other)]
    for run in house.claim_now():
        house.ingest(run, RECORDS)
    assert [house.ingest_job(job.id).saved_count for job in jobs] == [2, 2]
    runs = house.claim_now(VECTORIZE)
    assert [house.status(job.id) for job in jobs] == ["VECTORIZING", "VECTORIZING"]
    for run in runs:
        house.vectorize(run)
    assert [house.status(job.id) for job in jobs] == ["COMPLETED", "COMPLETED"]


def test_the_last_five_ingest_jobs_of_a_project_are_listed_newest_first(house: IngestionHouse):
    other = house.new_project()
    house.start(project_id=other)
    ids = [house.start(RECORDS).id for _ in range(7)]
    list_jobs = house.owner.ingestion.ListIngestJobs
    listed = list_jobs(pb.ListIngestJobsRequest(project_id=house.project)).jobs
    assert [job.id for job in listed] == ids[:1:-1]
    assert len(list_jobs(pb.ListIngestJobsRequest(project_id=house.project, limit=100)).jobs) == 7
    assert list_jobs(pb.ListIngestJobsRequest(project_id=house.new_project())).jobs == []


def test_a_name_of_a_program_is_an_ingest_job_like_others(house: IngestionHouse):
    name = f"ingest-{uuid.uuid4()}"
    payload = {"ingestJobId": name, "projectId": house.project, "type": "FEEDBACK"}
    house.enqueue_with(RECORDS, payload=payload)
    job = house.ingest_job(name)
    assert (job.type, job.total_records, house.status(name)) == (pb.RECORD_TYPE_FEEDBACK, 2, "PENDING")
