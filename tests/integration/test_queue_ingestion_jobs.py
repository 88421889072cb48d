"""The jobs of the database queue as operators see them in SQL and as admins are told of them, through every state."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobline.v1 import job_pb2, work_service_pb2
from support.ingestion_house import COLUMNS, INGEST, VECTORIZE, IngestionHouse, house_of, queue_status, record
from support.queue_calls import new_job, refused
from support.queue_service import QueueServiceUnderTest

RECORDS = [record(1), "a record that is a string", record(3, rating=4.5)]
#: As in the specification, to the letter.
STATEMENTS = (
    "SELECT job_type, status, COUNT(*) FROM job_queue GROUP BY job_type, status;",
    "SELECT job_type, AVG(EXTRACT(EPOCH FROM (completed_at - started_at))) as avg_seconds FROM job_queue "
    "WHERE status = 'COMPLETED' GROUP BY job_type;",
    "SELECT id, job_type, result->>'error' as error, attempts FROM job_queue WHERE status = 'FAILED' "
    "ORDER BY created_at DESC LIMIT 10;",
)


@pytest.fixture
def house(service: QueueServiceUnderTest) -> Iterator[IngestionHouse]:
    yield from house_of(service)


def iso(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


def only_job(house: IngestionHouse, kind: str = INGEST) -> str:
    (job_id,) = house.jobs_of(kind)
    return job_id


# ---- the payload --------------------------------------------------------------------------------------------------------


def test_an_ingest_call_stores_one_job_with_the_whole_payload(house: IngestionHouse):
    job = house.start(
        RECORDS, filter_keywords=["answer"], generate_embeddings=False, source="https://example.com/export"
    )
    row = house.row(only_job(house))
    assert (row["job_type"], row["status"], row["priority"], row["attempts"]) == (INGEST, "PENDING", 1, 0)
    assert row["payload"] == {
        "ingestJobId": job.id,
        "projectId": house.project,
        "records": RECORDS,
        "generateEmbeddings": False,
        "source": "https://example.com/export",
        "type": "TASK",
        "filterKeywords": ["answer"],
    }
    assert (row["result"], row["progress"], row["started_at"], row["completed_at"]) == (None, None, None, None)


def test_records_that_no_column_could_hold_are_told_of_instead(house: IngestionHouse):
    job_id = house.enqueue_with(RECORDS)
    house.service.execute(
        f"""INSERT INTO jobline.job_inputs (job_id, part, first_item, items, data)
            SELECT '{job_id}', part, 3 + part, 1, '["' || repeat('x', 500000) || '"]' FROM generate_series(1, 135) AS part"""
    )
    assert house.row(job_id)["payload"]["records"] == "3 records, too large to be shown here"
    house.service.execute(f"DELETE FROM jobline.job_inputs WHERE job_id = '{job_id}' AND part > 0")
    assert house.row(job_id)["payload"]["records"] == RECORDS


def test_what_an_ingest_call_leaves_out_has_its_default(house: IngestionHouse):
    house.start(RECORDS)
    payload = house.row(only_job(house))["payload"]
    assert (payload["type"], payload["filterKeywords"], payload["generateEmbeddings"]) == ("TASK", [], True)
    assert payload["source"] is None


def test_records_of_many_chunks_are_laid_together_in_their_order(house: IngestionHouse):
    records = [record(number, text="x" * 3000) for number in range(700)]
    house.start(records, chunk=50)
    assert house.row(only_job(house))["payload"]["records"] == records
    parts = house.service.execute("SELECT count(*) FROM jobline.job_inputs WHERE job_id = %s", only_job(house))
    assert parts[0][0] > 1


def test_a_programs_payload_is_shown_as_it_was_given(house: IngestionHouse):
    payload = {"projectId": house.project, "ingestJobId": None, "note": "mine"}
    job_id = house.enqueue_with(RECORDS, payload=payload)
    assert house.row(job_id)["payload"] == {**payload, "records": RECORDS}
    assert house.row(house.enqueue(payload=payload))["payload"] == payload


def test_a_completed_job_has_no_payload_and_its_input_waits_for_the_sweep(house: IngestionHouse):
    house.start(RECORDS)
    run = house.claim()
    house.operator.complete(run, {"savedCount": 3, "skippedCount": 0})
    assert house.row(run.job_id)["payload"] is None
    assert house.service.execute("SELECT payload IS NULL FROM job_queue WHERE id = %s", run.job_id) == [(True,)]
    input_of = "SELECT staged_at < now() - interval '1 day' FROM jobline.job_inputs WHERE job_id = %s"
    assert house.service.execute(input_of, run.job_id) == [(True,)]


def test_a_failed_job_keeps_its_payload(house: IngestionHouse):
    job_id = house.enqueue_with(RECORDS, max_attempts=1)
    house.operator.fail(house.claim())
    assert house.row(job_id)["payload"]["records"] == RECORDS


# ---- states -------------------------------------------------------------------------------------------------------------


def test_a_claim_counts_and_shows_at_once(house: IngestionHouse):
    job_id = house.enqueue()
    house.claim()
    row = house.row(job_id)
    assert (row["status"], row["attempts"], row["completed_at"]) == ("PROCESSING", 1, None)
    assert row["started_at"] >= row["created_at"]


def test_a_job_that_always_fails_is_tried_exactly_three_times(house: IngestionHouse):
    job_id = house.enqueue_with(RECORDS)
    for attempt in (1, 2):
        before = house.claim()
        house.operator.fail(before, message=f"fault {attempt}")
        row = house.row(job_id)
        assert (row["status"], row["attempts"], row["completed_at"]) == ("PENDING", attempt, None)
        assert row["result"]["lastError"] == f"fault {attempt}"
        assert set(row["result"]) == {"lastError", "timestamp"}
        assert row["started_at"] <= iso(row["result"]["timestamp"]) + timedelta(milliseconds=1)
        assert row["scheduled_for"] > row["started_at"]
    house.operator.fail(house.claim(), message="fault 3")
    row = house.row(job_id)
    assert (row["status"], row["attempts"], row["max_attempts"]) == ("FAILED", 3, 3)
    assert row["result"]["error"] == "fault 3"
    assert set(row["result"]) == {"error", "timestamp"}
    assert abs(iso(row["result"]["timestamp"]) - row["completed_at"]) < timedelta(milliseconds=1)
    assert house.claim_now() == []


def test_the_result_of_the_last_failure_stays_while_the_next_run_works(house: IngestionHouse):
    job_id = house.enqueue()
    house.operator.fail(house.claim(), message="at first")
    run = house.claim()
    assert house.row(job_id)["result"]["lastError"] == "at first"
    house.operator.complete(run, {"savedCount": 0, "skippedCount": 0})
    assert house.row(job_id)["result"] == {"savedCount": 0, "skippedCount": 0}


def test_a_failure_that_a_worker_calls_final_is_tried_again(house: IngestionHouse):
    job_id = house.enqueue(max_attempts=2)
    house.operator.fail(house.claim(), message="hopeless", retryable=False)
    assert house.row(job_id)["status"] == "PENDING"
    house.operator.fail(house.claim(), message="hopeless", retryable=False)
    assert (house.row(job_id)["status"], house.row(job_id)["attempts"]) == ("FAILED", 2)


def test_a_run_that_is_given_back_has_not_counted(house: IngestionHouse):
    job = house.start(RECORDS)
    run = house.claim()
    house.operator.release(run, "the time is up")
    row = house.row(run.job_id)
    assert (row["status"], row["attempts"], row["started_at"], row["result"]) == ("PENDING", 0, None, None)
    assert row["scheduled_for"] <= datetime.now(UTC) + timedelta(seconds=5)
    assert house.status(job.id) == "PENDING"
    assert house.claim().job_id == run.job_id


def test_a_run_goes_on_behind_what_is_stored_and_says_so(house: IngestionHouse):
    records = [record(number) for number in range(250)]
    house.start(records)
    first = house.claim()
    assert house.row(first.job_id)["progress"] is None
    house.save(first, 0, records[:100])
    told = {"current": 100, "total": 250, "message": "Processing records..."}
    assert house.row(first.job_id)["progress"] == told
    house.operator.fail(first)
    assert house.row(first.job_id)["progress"] == told
    second = house.claim()
    assert json.loads(second.finished_steps[0].output_json)["done"] == 100
    assert house.row(first.job_id)["progress"] == told
    house.operator.report(second, "ingest")
    assert house.row(first.job_id)["progress"] == told
    house.save(second, 100, records[100:200])
    house.save(second, 200, records[200:])
    house.operator.complete(second)
    row = house.row(first.job_id)
    assert row["result"] == {"savedCount": 250, "skippedCount": 0}
    assert row["progress"] == {**told, "current": 250}


def test_the_counts_are_those_of_what_was_stored_whatever_the_worker_says(house: IngestionHouse):
    job = house.start([record(1), record(1), record(2), "x"])
    run = house.claim()
    house.save(run, 0, [record(1), record(1), record(2)], mismatches=1)
    house.operator.complete(run, {"savedCount": 99, "skippedCount": 99})
    assert house.row(run.job_id)["result"] == {"savedCount": 2, "skippedCount": 2}
    found = house.ingest_job(job.id)
    assert (found.total_records, found.saved_count, found.skipped_count) == (4, 2, 2)
    assert dict(found.skipped_details) == {"Duplicate ID": 1, "Keyword Mismatch": 1}


@pytest.mark.parametrize(
    ("result", "counts"),
    [
        ({"savedCount": 1000, "skippedCount": 5}, (1000, 5)),
        ({"savedCount": -1, "skippedCount": "5"}, (0, 0)),
        ({"savedCount": True, "skippedCount": 1.5}, (0, 0)),
        ("done", (0, 0)),
        (None, (0, 0)),
    ],
)
def test_a_program_that_stores_elsewhere_tells_its_own_result(
    house: IngestionHouse, result: Any, counts: tuple[int, int]
):
    name = f"ingest-{uuid.uuid4()}"
    payload = {"projectId": house.project, "ingestJobId": name, "generateEmbeddings": True}
    job_id = house.enqueue_with(RECORDS, payload=payload)
    house.operator.complete(house.claim(), result)
    assert house.row(job_id)["result"] == result
    found = house.ingest_job(name)
    assert (found.saved_count, found.skipped_count) == counts
    assert house.status(name) == "COMPLETED"
    assert house.jobs_of(VECTORIZE) == []


@pytest.mark.parametrize(("kind", "step"), [(INGEST, "records"), (VECTORIZE, "nothing_left")])
def test_no_worker_can_forge_what_the_service_notes_of_a_run(house: IngestionHouse, kind: str, step: str):
    job_id = house.enqueue(kind, max_attempts=1)
    with refused("STALE_LEASE"):
        house.operator.report(house.claim(kind), **{step: {"done": 3, "saved": 3, "skipped": 0, "details": {}}})
    house.operator.await_state(job_id, "failed")
    assert f"expected another one than {step}" in house.row(job_id)["result"]["error"]


def test_a_cancelled_run_counts_as_begun(house: IngestionHouse):
    job_id = house.enqueue()
    house.claim()
    house.cancel(job_id)
    assert (house.row(job_id)["status"], house.row(job_id)["attempts"]) == ("FAILED", 1)


# ---- the statements that operators run ----------------------------------------------------------------------------------


def test_the_statements_of_the_specification_tell_the_truth(house: IngestionHouse, queue: str):
    counts, means, failures = STATEMENTS
    known = len(house.service.execute(failures))
    house.enqueue_with(RECORDS, max_attempts=1)
    house.operator.fail(house.claim(), message="no luck")
    cancelled = house.enqueue(VECTORIZE)
    house.cancel(cancelled)
    house.enqueue()
    house.operator.complete(house.claim())
    house.enqueue()
    house.enqueue()
    house.claim()
    house.operator.enqueue(new_job(queue, {}))
    assert sorted(house.service.execute(counts)) == [
        (INGEST, "COMPLETED", 1),
        (INGEST, "FAILED", 1),
        (INGEST, "PENDING", 1),
        (INGEST, "PROCESSING", 1),
        (VECTORIZE, "FAILED", 1),
    ]
    ((kind, seconds),) = house.service.execute(means)
    assert kind == INGEST
    assert 0 <= seconds < 60
    assert known == 0
    newest, failed = house.service.execute(failures)
    assert (str(newest[0]), *newest[1:]) == (cancelled, VECTORIZE, "Job cancelled by admin", 0)
    assert failed[1:] == (INGEST, "no luck", 1)


def test_the_view_has_exactly_the_columns_of_the_specification(house: IngestionHouse):
    rows = house.service.execute(
        """SELECT column_name, data_type FROM information_schema.columns
           WHERE table_name = 'job_queue' ORDER BY ordinal_position"""
    )
    assert " ".join(name for name, _ in rows) == f"id {COLUMNS}"
    types = dict(rows)
    assert [types[name] for name in ("id", "payload", "result", "progress")] == ["uuid", "jsonb", "jsonb", "jsonb"]


# ---- what admins are told -----------------------------------------------------------------------------------------------


def test_the_overview_has_numbers_and_the_newest_jobs(house: IngestionHouse):
    ids = [house.enqueue() for _ in range(22)]
    run = house.claim()
    house.operator.report(run, "ingest")
    house.cancel(ids[1])
    house.operator.complete(house.claim(), {"savedCount": 0, "skippedCount": 0})
    told = house.stats(20)
    assert (told.pending, told.processing, told.completed, told.failed) == (19, 1, 1, 1)
    assert [job.id for job in told.recent_jobs] == ids[:1:-1]
    assert (told.oldest_pending.id, queue_status(told.oldest_pending)) == (ids[3], "PENDING")
    assert told.now.ToDatetime() >= told.oldest_pending.created_at.ToDatetime()
    every = {job.id: job for job in house.stats(100).recent_jobs}
    assert [queue_status(every[each]) for each in ids[:4]] == ["PROCESSING", "FAILED", "COMPLETED", "PENDING"]
    running = every[ids[0]]
    assert (running.job_type, running.priority, running.attempts, running.max_attempts) == (INGEST, 0, 1, 3)
    assert not running.HasField("progress")
    assert running.HasField("started_at")
    assert not running.HasField("completed_at")
    assert json.loads(every[ids[2]].result_json) == {"savedCount": 0, "skippedCount": 0}


def test_results_of_any_size_leave_room_for_the_overview(house: IngestionHouse):
    for number in range(5):
        house.enqueue(VECTORIZE, project=f"p-{number}")
        house.operator.complete(house.claim(VECTORIZE), "x" * (1024 * 1024 - 2 - number))
    house.enqueue(VECTORIZE)
    house.operator.complete(house.claim(VECTORIZE), "x" * 30_000)
    small, *large = [json.loads(job.result_json) for job in house.stats().recent_jobs]
    assert small == "x" * 30_000
    assert large == [f"{1024 * 1024 - number} bytes, too large to be shown here" for number in (4, 3, 2, 1, 0)]


def test_progress_is_told_with_its_message(house: IngestionHouse):
    house.start([record(1), record(2)])
    house.save(house.claim(), 0, [record(1)])
    (job,) = house.stats(1).recent_jobs
    assert (job.progress.current, job.progress.total, job.progress.message) == (1, 2, "Processing records...")
    assert job.progress.step == ""


@pytest.mark.parametrize("end", ["complete", "fail", "release"])
def test_a_programs_progress_is_in_the_row_at_once_and_outlives_the_run(house: IngestionHouse, end: str):
    job_id = house.enqueue()
    run = house.claim()
    for current in (500, 750):
        request = work_service_pb2.ReportProgressRequest(job_id=run.job_id, lease_token=run.lease_token)
        request.progress.CopyFrom(job_pb2.Progress(current=current, total=1000, message="half"))
        house.operator.work.ReportProgress(request)
        assert house.row(job_id)["progress"] == {"current": current, "total": 1000, "message": "half"}
    getattr(house.operator, end)(run)
    assert house.row(job_id)["progress"] == {"current": 750, "total": 1000, "message": "half"}


def test_an_empty_queue_has_no_oldest_job(house: IngestionHouse):
    told = house.stats(0)
    assert (told.pending, told.processing, told.completed, told.failed, len(told.recent_jobs)) == (0, 0, 0, 0, 0)
    assert not told.HasField("oldest_pending")


@pytest.mark.parametrize("recent", [-1, 101])
def test_the_overview_shows_at_most_a_hundred_jobs(house: IngestionHouse, recent: int):
    with refused("INVALID_FIELD") as refusals:
        house.stats(recent)
    assert refusals[0].fields == ("recent",)


# ---- order --------------------------------------------------------------------------------------------------------------


def test_a_higher_priority_of_any_size_goes_first(house: IngestionHouse):
    low, high = house.enqueue(priority=-(2**31)), house.enqueue(priority=2**31 - 1)
    house.start(RECORDS)
    claimed = [house.claim().job_id for _ in range(3)]
    assert (claimed[0], claimed[2]) == (high, low)


def test_of_one_priority_the_job_that_was_due_first_goes_first_also_by_a_past_time(house: IngestionHouse):
    now = house.enqueue()
    past = house.new_job()
    past.run_at.FromSeconds(1_700_000_000)
    early = house.operator.enqueue(past)[0]
    later = house.enqueue()
    assert house.row(early)["scheduled_for"].year == 2023
    assert [house.claim().job_id for _ in range(3)] == [early, now, later]


def test_vectorize_runs_one_at_a_time_in_a_project_and_together_in_several(house: IngestionHouse):
    other = house.new_project()
    for project in (house.project, house.project, other):
        house.enqueue(VECTORIZE, project=project)
    runs = house.claim_now(VECTORIZE)
    assert sorted(run.owner for run in runs) == sorted([f"project:{house.project}", f"project:{other}"])
    assert house.claim_now(VECTORIZE) == []
    house.vectorize(next(run for run in runs if run.owner == f"project:{house.project}"))
    assert len(house.claim_now(VECTORIZE)) == 1
