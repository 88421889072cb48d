"""RetryJobs and CancelJobs: exactly the jobs of the start, each once, whoever else acts, hangs up or takes over meanwhile."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from jobline.v1 import job_pb2
from jobline.v1 import job_service_pb2 as pb
from jobline.v1 import queue_service_pb2 as queue_pb
from support.eventually import eventually_blocking
from support.queue_calls import Calls, new_job, refused
from support.queue_service import QueueServiceUnderTest

PENDING, RUNNING, FAILED, CANCELLED = (
    job_pb2.JOB_STATE_PENDING,
    job_pb2.JOB_STATE_RUNNING,
    job_pb2.JOB_STATE_FAILED,
    job_pb2.JOB_STATE_CANCELLED,
)


def retry(calls: Calls, where: pb.JobFilter, expected: int | None = None) -> list[pb.BulkProgress]:
    """Without a number a dry run."""
    request = pb.RetryJobsRequest(filter=where, dry_run=expected is None, expected_count=expected)
    return [message.progress for message in calls.jobs.RetryJobs(request)]


def cancel(calls: Calls, where: pb.JobFilter, expected: int | None = None, reason: str = "") -> list[pb.BulkProgress]:
    request = pb.CancelJobsRequest(filter=where, dry_run=expected is None, expected_count=expected, reason=reason)
    return [message.progress for message in calls.jobs.CancelJobs(request)]


def of(*queues: str, **wanted: object) -> pb.JobFilter:
    return pb.JobFilter(queues=queues, **wanted)


def counts(calls: Calls, queue: str) -> dict[int, int]:
    return {each.state: each.count for each in calls.jobs.CountJobs(pb.CountJobsRequest(filter=of(queue))).states}


def acts(calls: Calls, queue: str, name: str) -> list[job_pb2.JobEvent]:
    request = queue_pb.ListEventsRequest(queue=queue, name=name, page_size=500)
    return list(calls.queues.ListEvents(request).events)


def store_failed(service: QueueServiceUnderTest, queue: str, count: int) -> None:
    """Jobs that have failed, straight into the table: a thousand runs take longer than what is tested here."""
    with psycopg.connect(service.database_url, autocommit=True) as connection:
        connection.execute(
            """
            INSERT INTO jobline.jobs (id, queue, kind, producer, state, run_at, seq, payload, attempt, max_attempts,
                                      error_code, error_message, created_at, finished_at, updated_at)
            SELECT gen_random_uuid(), %s, 'test', 'producer', 'failed', now(), n, '{}', 1, 1, 'BROKEN', 'it broke', now(),
                   now(), now()
            FROM generate_series(1, %s) AS n
            """,
            (queue, count),
        )


def writers_that_wait(service: QueueServiceUnderTest) -> int:
    """How many wait for a lock on the history."""
    with psycopg.connect(service.database_url) as connection:
        waiting = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'jobline.events'::regclass"
        ).fetchone()
    return int(waiting[0]) if waiting else 0


@pytest.fixture
def failed(service: QueueServiceUnderTest, queue: str) -> int:
    store_failed(service, queue, 1000)
    return 1000


def test_a_dry_run_counts_and_changes_nothing(calls: Calls, queue: str):
    calls.enqueue(*(new_job(queue) for _ in range(3)))
    assert cancel(calls, of(queue)) == [pb.BulkProgress(total=3, finished=True)]
    assert retry(calls, of(queue)) == [pb.BulkProgress(finished=True)]
    assert counts(calls, queue) == {PENDING: 3}
    assert acts(calls, queue, "bulk_cancelled") == []


def test_every_chosen_job_is_cancelled_with_a_line_for_each_and_one_for_all(calls: Calls, queue: str):
    ids = calls.enqueue(*(new_job(queue, kind="test" if number % 2 else "other") for number in range(10)))
    *_, last = cancel(calls, of(queue, kind="test"), 5, "too many")
    assert last == pb.BulkProgress(total=5, done=5, finished=True)
    assert counts(calls, queue) == {PENDING: 5, CANCELLED: 5}
    (line,) = acts(calls, queue, "bulk_cancelled")
    assert (line.actor, line.job_id, line.queue) == ("service:operator", "", queue)
    assert line.detail == f"5 done, 0 skipped; 5 jobs of queues {queue}, kind test, states pending, running"
    assert {(event.job_id, event.detail) for event in acts(calls, queue, "cancelled")} == {
        (job_id, "too many") for job_id in ids[1::2]
    }


def test_every_chosen_job_is_retried(calls: Calls, queue: str, failed: int):
    first, *_, last = retry(calls, of(queue, error="it broke"), failed)
    assert (first.total, first.finished, last) == (1000, False, pb.BulkProgress(total=1000, done=1000, finished=True))
    assert counts(calls, queue) == {PENDING: 1000}
    assert retry(calls, of(queue))[0].total == 0


def test_another_number_than_expected_does_nothing(calls: Calls, queue: str):
    calls.enqueue(*(new_job(queue) for _ in range(3)))
    with refused("COUNT_CHANGED") as seen:
        cancel(calls, of(queue), 2)
    assert (seen[0].status, seen[0].metadata) == ("FAILED_PRECONDITION", {"count": "3"})
    assert counts(calls, queue) == {PENDING: 3}
    assert acts(calls, queue, "bulk_cancelled") == []


@pytest.mark.parametrize(
    ("field", "request_"),
    [
        ("expected_count", pb.RetryJobsRequest(filter=of("q"))),
        ("filter", pb.RetryJobsRequest(dry_run=True)),
        ("filter", pb.RetryJobsRequest(filter=pb.JobFilter(states=[FAILED, CANCELLED]), dry_run=True)),
        ("filter.states", pb.RetryJobsRequest(filter=of("q", states=[PENDING]), dry_run=True)),
        ("filter.states[0]", pb.RetryJobsRequest(filter=of("q", states=[0]), dry_run=True)),
    ],
)
def test_what_is_no_request_is_refused_by_name(calls: Calls, field: str, request_: pb.RetryJobsRequest):
    with refused("INVALID_FIELD") as seen:
        list(calls.jobs.RetryJobs(request_))
    assert seen[0].fields == (field,)


def test_more_than_a_hundred_thousand_jobs_are_too_many(service: QueueServiceUnderTest, calls: Calls, queue: str):
    store_failed(service, queue, 100_001)
    try:
        with refused("TOO_BROAD"):
            retry(calls, of(queue))
    finally:
        with psycopg.connect(service.database_url, autocommit=True) as connection:
            connection.execute("DELETE FROM jobline.jobs WHERE queue = %s", (queue,))


def test_jobs_that_wait_or_run_are_cancelled_as_the_filter_says(calls: Calls, queue: str):
    calls.enqueue(*(new_job(queue) for _ in range(4)))
    runs = [calls.claim_one(queue) for _ in range(2)]
    *_, last = cancel(calls, of(queue, states=[PENDING]), 2)
    assert (last.done, calls.state(runs[0].job_id)) == (2, "running")
    calls.enqueue(new_job(queue))
    *_, last = cancel(calls, of(queue, states=[RUNNING]), 2)
    assert (last.done, counts(calls, queue)) == (2, {PENDING: 1, RUNNING: 2, CANCELLED: 2})
    assert all(calls.job(run.job_id).HasField("cancel_requested_at") for run in runs)


def test_jobs_that_move_on_meanwhile_are_skipped(service: QueueServiceUnderTest, calls: Calls, queue: str, failed: int):
    """Every tenth job is locked by somebody who retries it by hand; the act on it finds it changed, or locked."""
    with psycopg.connect(service.database_url) as stranger:
        rows = stranger.execute(
            "SELECT CAST(id AS text) FROM jobline.jobs WHERE queue = %s AND seq %% 10 = 0 FOR UPDATE", (queue,)
        ).fetchall()
        *_, last = retry(calls, of(queue), failed)
        stranger.rollback()
    assert (last.done, last.skipped, last.finished) == (900, len(rows), True)
    assert counts(calls, queue) == {PENDING: 900, FAILED: 100}


def test_two_retries_of_one_set_at_once_retry_each_job_once(service: QueueServiceUnderTest, queue: str, failed: int):
    """Also while a worker makes the retried ones fail again: those are no longer the jobs that were chosen."""
    over = threading.Event()

    def act(_: int) -> pb.BulkProgress:
        with Calls(service.address, service.operator_token) as own:
            return retry(own, of(queue), failed)[-1]

    def break_again() -> None:
        with Calls(service.address, service.worker_token) as worker:
            while not over.is_set():
                for run in worker.claim(queue, most=20):
                    worker.fail(run, retryable=False)

    with ThreadPoolExecutor(3) as callers:
        breaking = callers.submit(break_again)
        try:
            with psycopg.connect(service.database_url) as stranger:
                # Both have chosen the jobs when they want to write the line of their act.
                stranger.execute("LOCK TABLE jobline.events IN SHARE MODE")
                told = [callers.submit(act, number) for number in range(2)]
                eventually_blocking(lambda: writers_that_wait(service) == 2, what="both have chosen")
            first, second = (each.result() for each in told)
        finally:
            over.set()
        breaking.result()
    assert (first.done + second.done, first.skipped + second.skipped) == (failed, failed)
    with psycopg.connect(service.database_url) as connection:
        lines = connection.execute(
            "SELECT count(*), count(DISTINCT job_id) FROM jobline.events WHERE queue = %s AND name = 'retried'",
            (queue,),
        ).fetchone()
    assert lines == (failed, failed)


def test_a_caller_who_hangs_up_stops_the_act_and_the_history_says_how_far_it_came(
    service: QueueServiceUnderTest, calls: Calls, queue: str
):
    store_failed(service, queue, 20_000)
    stream = calls.jobs.RetryJobs(pb.RetryJobsRequest(filter=of(queue), expected_count=20_000))
    next(stream)
    stream.cancel()
    line = eventually_blocking(
        lambda: next((line for line in acts(calls, queue, "bulk_retried") if "broken off" in line.detail), None),
        what="the line of an act that was broken off",
    )
    done = int(line.detail.split()[0])
    assert done < 20_000
    assert line.detail.startswith(f"{done} done, 0 skipped, then it was broken off; 20000 jobs of queues {queue}")
    assert counts(calls, queue).get(PENDING, 0) == done
    *_, last = cancel(calls, of(queue), done)
    assert (last.done, last.skipped) == (done, 0)


def test_a_take_over_in_the_middle_ends_the_act_with_what_was_done(lent_service: QueueServiceUnderTest, queue: str):
    store_failed(lent_service, queue, 20_000)
    with Calls(lent_service.address, lent_service.operator_token) as calls:
        stream = calls.jobs.RetryJobs(pb.RetryJobsRequest(filter=of(queue), expected_count=20_000))
        next(stream)
        with psycopg.connect(lent_service.database_url, autocommit=True) as stranger:
            stranger.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'jobline-queue finish' AND datname = current_database()"
            )
        with refused("NOT_ACTIVE"):
            list(stream)
        lent_service.await_active()
        found = counts(calls, queue)
        assert found.get(PENDING, 0) + found[FAILED] == 20_000
        (line,) = acts(calls, queue, "bulk_retried")
        assert "broken off" in line.detail
        *_, last = retry(calls, of(queue), found[FAILED])
        assert (last.done, last.skipped) == (found[FAILED], 0)
        assert counts(calls, queue) == {PENDING: 20_000}
        *_, last = cancel(calls, of(queue), 20_000)
        assert last.done == 20_000


def test_producers_cancel_in_bulk_what_they_enqueued_alone(service: QueueServiceUnderTest, calls: Calls, queue: str):
    calls.enqueue(new_job(queue))
    with Calls(service.address, service.producer_token) as producer:
        producer.enqueue(new_job(queue), new_job(queue))
        *_, last = cancel(producer, of(queue), 2)
        assert last.done == 2
        with refused("FORBIDDEN"):
            retry(producer, of(queue))
    assert counts(calls, queue) == {PENDING: 1, CANCELLED: 2}
