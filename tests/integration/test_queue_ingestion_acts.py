"""What admins and owners do to jobs of the database queue: retry, cancel and clean up, also all at once."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from support.ingestion_house import INGEST, VECTORIZE, IngestionHouse, house_of, record
from support.queue_calls import new_job, refused
from support.queue_service import QueueServiceUnderTest
from support.races import race, said

RECORDS = [record(1), record(2)]
ROUNDS = 6


@pytest.fixture
def house(service: QueueServiceUnderTest) -> Iterator[IngestionHouse]:
    yield from house_of(service)


def check_cancelled(house: IngestionHouse, job_id: str, error: str, by: str) -> None:
    row = house.row(job_id)
    result = row["result"]
    assert row["status"] == "FAILED"
    assert set(result) == {"error", "cancelledBy", "cancelledAt"}
    assert (result["error"], result["cancelledBy"]) == (error, by)
    at = datetime.fromisoformat(result["cancelledAt"])
    assert result["cancelledAt"].endswith("Z")
    assert abs(at - row["completed_at"]) < timedelta(seconds=1)


# ---- cancel by an admin -------------------------------------------------------------------------------------------------


def test_an_admin_cancels_a_pending_job(house: IngestionHouse):
    job = house.start(RECORDS)
    (job_id,) = house.jobs_of()
    house.cancel(job_id, house.admin())
    check_cancelled(house, job_id, "Job cancelled by admin", "admin@example.com")
    assert house.row(job_id)["payload"]["records"] == RECORDS
    assert house.status(job.id) == "CANCELLED"
    assert house.claim_now() == []


def test_a_token_without_an_email_is_named_by_its_sub(house: IngestionHouse):
    job_id = house.enqueue()
    house.cancel(job_id, house.user("the-boss", "admin"))
    check_cancelled(house, job_id, "Job cancelled by admin", "the-boss")


def test_a_worker_that_finishes_a_cancelled_job_later_changes_nothing(house: IngestionHouse):
    job = house.start(RECORDS)
    run = house.claim()
    house.save(run, 0, RECORDS[:1])
    house.cancel(run.job_id, house.admin())
    before = house.row(run.job_id)
    check_cancelled(house, run.job_id, "Job cancelled by admin", "admin@example.com")
    acts: list[Callable[[], object]] = [
        lambda: house.operator.complete(run, {"savedCount": 2, "skippedCount": 0}),
        lambda: house.operator.fail(run, message="too late"),
        lambda: house.save(run, 1, RECORDS[1:]),
    ]
    assert [said(act).partition(" ")[0] for act in acts] == ["CANCELLED", "CANCELLED", "STALE_LEASE"]
    assert house.row(run.job_id) == before
    assert (house.status(job.id), house.ingest_job(job.id).saved_count) == ("CANCELLED", 1)


def test_a_cancel_past_the_surface_looks_the_same(house: IngestionHouse):
    pending, running = house.enqueue(), house.enqueue(priority=1)
    house.claim()
    for job_id in (pending, running):
        house.operator.cancel(job_id, "no reason")
        check_cancelled(house, job_id, "Job cancelled by admin", "operator")


def test_a_service_is_named_by_its_token(house: IngestionHouse):
    job_id = house.enqueue()
    house.cancel(job_id)
    check_cancelled(house, job_id, "Job cancelled by admin", "operator")


def test_only_open_jobs_can_be_cancelled(house: IngestionHouse):
    done, failed = house.enqueue(), house.enqueue(max_attempts=1)
    house.operator.complete(house.claim())
    house.operator.fail(house.claim())
    for job_id, state in ((done, "COMPLETED"), (failed, "FAILED")):
        with refused("ILLEGAL_TRANSITION") as refusals:
            house.cancel(job_id)
        assert refusals[0].metadata["state"] == state


# ---- retry --------------------------------------------------------------------------------------------------------------


def test_a_retry_begins_anew_and_goes_on_behind_what_is_stored(house: IngestionHouse):
    job = house.start(RECORDS)
    for _ in range(3):
        run = house.claim()
        if not run.finished_steps:
            house.save(run, 0, RECORDS[:1])
        house.operator.fail(run, message="no luck")
    assert (house.status(job.id), house.ingest_job(job.id).error) == ("FAILED", "no luck")
    house.retry(run.job_id, house.admin())
    row = house.row(run.job_id)
    assert (row["status"], row["attempts"], row["max_attempts"]) == ("PENDING", 0, 3)
    assert [row[name] for name in ("started_at", "completed_at", "result", "progress")] == [None] * 4
    assert row["scheduled_for"] <= datetime.now(UTC) + timedelta(seconds=5)
    assert row["payload"]["records"] == RECORDS
    assert (house.status(job.id), house.ingest_job(job.id).error) == ("PENDING", "")
    again = house.claim()
    assert (again.job_id, again.attempt) == (run.job_id, 1)
    assert house.row(run.job_id)["progress"]["current"] == 1
    assert house.save(again, 0, RECORDS[:1]).next_item == 1
    house.save(again, 1, RECORDS[1:])
    house.operator.complete(again)
    assert house.row(run.job_id)["result"] == {"savedCount": 2, "skippedCount": 0}
    assert house.status(job.id) == "QUEUED_FOR_VEC"


def test_a_cancelled_job_runs_again_once_it_is_retried(house: IngestionHouse):
    job = house.start(RECORDS, generate_embeddings=False)
    (job_id,) = house.jobs_of()
    house.cancel(job_id)
    house.retry(job_id)
    assert house.status(job.id) == "PENDING"
    house.ingest(house.claim(), RECORDS)
    assert house.status(job.id) == "COMPLETED"


def test_a_retried_vectorize_job_puts_its_ingest_job_back_in_line(house: IngestionHouse):
    job = house.start(RECORDS)
    house.ingest(house.claim(), RECORDS)
    (job_id,) = house.jobs_of(VECTORIZE)
    house.cancel(job_id)
    assert house.status(job.id) == "CANCELLED"
    house.retry(job_id)
    assert house.status(job.id) == "QUEUED_FOR_VEC"
    house.vectorize(house.claim(VECTORIZE))
    assert house.status(job.id) == "COMPLETED"


def test_only_failed_jobs_can_be_retried(house: IngestionHouse):
    done, running, pending = house.enqueue(), house.enqueue(), house.enqueue()
    house.operator.complete(house.claim())
    house.claim()
    for job_id, state in ((done, "COMPLETED"), (running, "PROCESSING"), (pending, "PENDING")):
        with refused("ILLEGAL_TRANSITION") as refusals:
            house.retry(job_id)
        assert refusals[0].metadata["state"] == state


def test_of_many_retries_at_once_one_is_done(house: IngestionHouse):
    job_id = house.enqueue()
    house.cancel(job_id)
    told = race(*[lambda: house.retry(job_id)] * 4)
    assert sorted(told) == ["ILLEGAL_TRANSITION PENDING"] * 3 + ["ok"]


@pytest.mark.parametrize("bad", ["x", "\0", "'; DROP TABLE projects; --", "9" * 10_000, str(uuid.UUID(int=7))])
def test_an_id_that_no_job_has_is_not_found(house: IngestionHouse, bad: str):
    for act in (house.retry, house.cancel):
        with refused("JOB_NOT_FOUND"):
            act(bad)


def test_acts_need_an_id(house: IngestionHouse):
    for act in (house.retry, house.cancel):
        with refused("INVALID_FIELD") as refusals:
            act("")
        assert refusals[0].fields == ("id",)


def test_the_job_of_another_surface_is_not_found(house: IngestionHouse, queue: str):
    (other,) = house.operator.enqueue(new_job(queue, {}))
    for act in (house.retry, house.cancel):
        with refused("JOB_NOT_FOUND"):
            act(other)
    assert house.operator.state(other) == "pending"


def test_ids_are_the_same_in_upper_case(house: IngestionHouse):
    job_id = house.enqueue()
    house.cancel(job_id.upper())
    assert house.row(job_id)["status"] == "FAILED"


# ---- cancel by the owner ------------------------------------------------------------------------------------------------


def test_an_owner_cancels_what_an_ingest_job_has_open(house: IngestionHouse):
    job = house.start(RECORDS)
    house.cancel_ingest(job.id)
    (job_id,) = house.jobs_of()
    check_cancelled(house, job_id, "Job cancelled by user", house.sub)
    assert house.status(job.id) == "CANCELLED"


@pytest.mark.parametrize("kind", [INGEST, VECTORIZE])
def test_an_owner_cancels_a_run_in_progress(house: IngestionHouse, kind: str):
    job = house.start(RECORDS)
    run = house.claim()
    if kind == VECTORIZE:
        house.ingest(run, RECORDS)
        run = house.claim(VECTORIZE)
    house.cancel_ingest(job.id)
    assert said(lambda: house.operator.complete(run)).startswith("CANCELLED")
    check_cancelled(house, run.job_id, "Job cancelled by user", house.sub)
    assert house.status(job.id) == "CANCELLED"


def test_an_ingest_job_that_has_ended_cannot_be_cancelled(house: IngestionHouse):
    done = house.start(RECORDS, generate_embeddings=False)
    house.ingest(house.claim(), RECORDS)
    failed = house.enqueue(payload={"projectId": house.project, "ingestJobId": str(uuid.uuid4())}, max_attempts=1)
    house.operator.fail(house.claim())
    cancelled = house.start(RECORDS)
    house.cancel_ingest(cancelled.id)
    failed_name = house.row(failed)["payload"]["ingestJobId"]
    for name, state in ((done.id, "COMPLETED"), (failed_name, "FAILED"), (cancelled.id, "CANCELLED")):
        with refused("ILLEGAL_TRANSITION") as refusals:
            house.cancel_ingest(name)
        assert refusals[0].metadata["state"] == state


@pytest.mark.parametrize("bad", ["", "x", "\0", "' OR 1=1 --", "9" * 10_000])
def test_an_id_that_no_ingest_job_has_is_not_found(house: IngestionHouse, bad: str):
    for act in (house.cancel_ingest, house.ingest_job):
        with refused("JOB_NOT_FOUND"):
            act(bad)


def test_cancelling_one_ingest_job_leaves_those_beside_it(house: IngestionHouse):
    mine, other = house.start(RECORDS), house.start(RECORDS)
    house.cancel_ingest(mine.id)
    assert house.status(other.id) == "PENDING"
    house.ingest(house.claim(), RECORDS)
    assert house.status(other.id) == "QUEUED_FOR_VEC"


def test_a_job_that_is_deleted_leaves_no_ingest_job_that_waits_for_ever(house: IngestionHouse):
    pending, running = house.start(RECORDS), house.start(RECORDS)
    house.claim()
    for job_id in house.jobs_of():
        house.operator.delete(job_id)
    assert [house.status(job.id) for job in (pending, running)] == ["CANCELLED", "CANCELLED"]


# ---- races --------------------------------------------------------------------------------------------------------------


def test_a_cancel_against_the_end_of_the_run_that_leaves_a_vectorize_job(house: IngestionHouse):
    """Whoever wins: nothing is open afterwards, and the ingest job is cancelled."""
    seen = set()
    for number in range(ROUNDS):
        records = [record(f"{number}-a"), record(f"{number}-b")]
        job = house.start(records)
        run = house.claim()
        house.save(run, 0, records)
        cancelled, completed = race(
            lambda job=job: house.cancel_ingest(job.id), lambda run=run: house.operator.complete(run)
        )
        assert cancelled == "ok"
        assert house.status(job.id) == "CANCELLED"
        seen.add(completed)
        assert house.stats(0).pending == house.stats(0).processing == 0
        assert house.row(run.job_id)["status"] == ("COMPLETED" if completed == "ok" else "FAILED")
    assert seen <= {"ok", "CANCELLED"}


def test_a_cancel_against_the_end_of_a_vectorize_run(house: IngestionHouse):
    records = [record(number) for number in range(ROUNDS + 1)]
    job = house.start(records)
    house.ingest(house.claim(), records)
    for _ in range(ROUNDS):  # a record is left in each of them
        run = house.claim(VECTORIZE)
        house.embed(run, 1)
        cancelled, completed = race(
            lambda: house.cancel_ingest(job.id), lambda run=run: house.operator.complete(run, {"vectorizedCount": 1})
        )
        assert (cancelled, house.status(job.id)) == ("ok", "CANCELLED")
        assert completed in ("ok", "CANCELLED")
        assert house.claim_now(VECTORIZE) == []
        house.retry(house.jobs_of(VECTORIZE)[-1])
    house.vectorize(house.claim(VECTORIZE))
    assert house.status(job.id) == "COMPLETED"


def test_a_cancel_against_a_batch_of_the_run(house: IngestionHouse):
    """What a batch has stored is counted, and after the cancel none is stored."""
    for number in range(ROUNDS):
        records = [record(f"{number}-a"), record(f"{number}-b")]
        job = house.start(records)
        run = house.claim()
        cancelled, saved = race(
            lambda job=job: house.cancel_ingest(job.id), lambda run=run, records=records: house.save(run, 0, records)
        )
        assert cancelled == "ok"
        count = house.service.execute("SELECT count(*) FROM data_records WHERE ingest_job_id = %s", job.id)[0][0]
        assert count == {"ok": 2, "STALE_LEASE": 0}[saved]
        assert (house.status(job.id), house.ingest_job(job.id).saved_count) == ("CANCELLED", count)


def test_cancels_of_both_sides_at_once(house: IngestionHouse):
    for _ in range(ROUNDS):
        job = house.start(RECORDS)
        job_id = house.jobs_of()[-1]
        by_user, by_admin = race(lambda job=job: house.cancel_ingest(job.id), lambda one=job_id: house.cancel(one))
        assert {by_user, by_admin} in (
            {"ok", "ILLEGAL_TRANSITION FAILED"},
            {"ok", "ILLEGAL_TRANSITION CANCELLED"},
        )
        assert house.status(job.id) == "CANCELLED"


# ---- cleanup ------------------------------------------------------------------------------------------------------------


def age(house: IngestionHouse, days: float, *job_ids: str) -> None:
    """As if these jobs had ended so long ago, and been created before."""
    house.service.execute(
        """UPDATE jobline.jobs SET created_at = now() - interval '30 days',
                                   finished_at = finished_at - %s * interval '1 day' WHERE id = ANY (%s::uuid[])""",
        days,
        list(job_ids),
    )


def ended_jobs(house: IngestionHouse) -> list[str]:
    """A completed, a failed and a cancelled one."""
    ids = [house.enqueue(max_attempts=1) for _ in range(3)]
    house.operator.complete(house.claim())
    house.operator.fail(house.claim())
    house.cancel(ids[2])
    return ids


def test_cleanup_removes_what_ended_more_than_seven_days_ago(house: IngestionHouse):
    old, new = ended_jobs(house), ended_jobs(house)
    age(house, 7.01, *old)
    age(house, 6.99, *new)
    assert house.clean_up() == 3
    assert house.jobs_of() == new
    assert house.clean_up() == 0


def test_cleanup_touches_no_open_job_of_any_age(house: IngestionHouse):
    running, pending = house.enqueue(), house.enqueue()
    house.claim()
    age(house, 0, running, pending)
    assert house.clean_up(0) == 0
    assert house.jobs_of() == [running, pending]


def test_cleanup_touches_no_other_queue(house: IngestionHouse, queue: str):
    (other,) = house.operator.enqueue(new_job(queue, {}))
    house.operator.complete(house.operator.claim_one(queue))
    age(house, 100, other)
    assert house.clean_up(0) == 0
    assert house.operator.state(other) == "succeeded"


def test_cleanup_takes_the_callers_age(house: IngestionHouse):
    first, *_ = ids = ended_jobs(house)
    house.enqueue(VECTORIZE)
    house.vectorize(house.claim(VECTORIZE))
    age(house, 2, first)
    assert house.clean_up(86400) == 1
    assert house.clean_up(0) == len(ids)
    assert house.jobs_of() == house.jobs_of(VECTORIZE) == []


def test_ingest_jobs_outlive_their_queue_jobs(house: IngestionHouse):
    job = house.start(RECORDS, generate_embeddings=False)
    house.ingest(house.claim(), RECORDS)
    assert house.clean_up(0) == 1
    assert (house.status(job.id), house.ingest_job(job.id).saved_count) == ("COMPLETED", 2)


def test_a_negative_age_is_refused(house: IngestionHouse):
    with refused("INVALID_FIELD") as refusals:
        house.clean_up(-1)
    assert refusals[0].fields == ("retention",)
