"""Positions as callers see them beside a brute-force count over the rows of the database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from jobline.v1 import job_pb2, queue_service_pb2
from jobline.v1 import job_service_pb2 as job_pb
from jobline.v1 import work_service_pb2 as work_pb
from support.eventually import eventually_blocking
from support.queue_calls import Calls, new_job
from support.queue_service import QueueServiceUnderTest

QUEUE = "positions"
#: For each job that waits, how many there are that do not come after it. A job waits while its row is pending and no lease
#: has it. Nothing in these tests is due within the next minute that is not due already.
BRUTE_FORCE = """
WITH waiting AS (
    SELECT id, priority, run_at, seq, run_at <= now() + interval '1 minute' AS due FROM jobline.jobs
    WHERE queue = %s AND state = 'pending' AND id NOT IN (SELECT unnest(job_ids) FROM jobline.leases)
)
SELECT CAST(mine.id AS text), count(*) FROM waiting AS mine JOIN waiting AS other ON CASE
    WHEN mine.due <> other.due THEN other.due
    WHEN mine.due THEN (-other.priority, other.run_at, other.seq) <= (-mine.priority, mine.run_at, mine.seq)
    ELSE (other.run_at, -other.priority, other.seq) <= (mine.run_at, -mine.priority, mine.seq)
END
GROUP BY mine.id
"""
HOUR = 3600


class Job(NamedTuple):
    priority: int
    delay: int | None
    key: str
    kind: str


JOBS = st.builds(
    Job,
    st.sampled_from((0, 7, -5)),
    st.sampled_from((None, -HOUR, HOUR, 2 * HOUR)),
    st.sampled_from(("", "x", "y")),
    st.sampled_from(("test", "other")),
)


@pytest.fixture(scope="module")
def rows(shared_queue: QueueServiceUnderTest) -> Iterator[psycopg.Connection]:
    with psycopg.connect(shared_queue.database_url, autocommit=True) as connection:
        yield connection


def counted(rows: psycopg.Connection, queue: str) -> dict[str, int]:
    return dict(rows.execute(BRUTE_FORCE.encode(), [queue]).fetchall())


def told(calls: Calls, queue: str) -> dict[str, int]:
    """By ListJobs, without those that have no position; LocateJobs and GetJob say the same."""
    jobs = calls.list_jobs(queue)
    listed = {job.id: job.position for job in jobs}
    if jobs:
        located = calls.jobs.LocateJobs(job_pb.LocateJobsRequest(ids=[job.id for job in jobs])).places
        live = (job_pb2.JOB_STATE_PENDING, job_pb2.JOB_STATE_RUNNING)
        assert {place.id: place.position for place in located} == {
            job.id: job.position for job in jobs if job.state in live
        }
        assert calls.job(jobs[0].id).position == listed[jobs[0].id]
    return {job_id: position for job_id, position in listed.items() if position}


class RandomRun(RuleBasedStateMachine):
    """What callers, operators and one worker may do with a queue, one call after another."""

    calls: Calls
    rows: psycopg.Connection

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[work_pb.Assignment] = []
        self.ids: list[str] = []

    def teardown(self) -> None:
        self.pause(False)
        for job in self.calls.list_jobs(QUEUE):
            self.calls.delete(job.id)

    @initialize(jobs=st.lists(JOBS, min_size=10, max_size=16))
    def begin(self, jobs: list[Job]) -> None:
        self.enqueue(*jobs)

    @rule(job=JOBS)
    def enqueue_one(self, job: Job) -> None:
        self.enqueue(job)

    def enqueue(self, *jobs: Job) -> None:
        ((now,),) = self.rows.execute("SELECT extract(epoch FROM now())::bigint").fetchall()
        new = []
        for job in jobs:
            fields: dict[str, Any] = {} if job.delay is None else {"run_at": Timestamp(seconds=now + job.delay)}
            new.append(new_job(QUEUE, kind=job.kind, priority=job.priority, concurrency_key=job.key, **fields))
        self.ids += self.calls.enqueue(*new)

    @rule(kinds=st.sampled_from((("test",), ("other",), ("test", "other"))), most=st.integers(1, 3))
    def claim(self, kinds: tuple[str, ...], most: int) -> None:
        self.runs += self.calls.claim(QUEUE, kinds=kinds, most=most)

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), end=st.sampled_from(("complete", "fail", "fail for good", "release", "snooze")))
    def end(self, data: st.DataObject, end: str) -> None:
        run = data.draw(st.sampled_from(self.runs))
        self.runs.remove(run)
        match end:
            case "complete":
                self.calls.complete(run)
            case "fail":
                self.calls.fail(run)
            case "fail for good":
                self.calls.fail(run, retryable=False)
            case "release":
                self.calls.release(run, "shutdown")
            case _:
                self.calls.snooze(run, HOUR)

    @precondition(lambda self: self.ids)
    @rule(data=st.data(), act=st.sampled_from(("cancel", "retry", "delete")))
    def act_on_one(self, data: st.DataObject, act: str) -> None:
        """It may be refused: the job may have ended, or not."""
        job_id = data.draw(st.sampled_from(self.ids))
        state = self.calls.state(job_id)
        if act == "delete":
            self.calls.delete(job_id)
            self.ids.remove(job_id)
            self.runs = [run for run in self.runs if run.job_id != job_id]
        elif act == "cancel" and state == "pending":
            self.calls.cancel(job_id)
        elif act == "retry" and state in ("failed", "cancelled"):
            self.calls.retry(job_id)

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        if paused:
            self.calls.queues.PauseQueue(queue_service_pb2.PauseQueueRequest(queue=QUEUE, reason="a test"))
        else:
            self.calls.queues.ResumeQueue(queue_service_pb2.ResumeQueueRequest(queue=QUEUE))

    @invariant()
    def positions_are_what_the_rows_say(self) -> None:
        assert told(self.calls, QUEUE) == counted(self.rows, QUEUE)


def test_positions_are_a_count_over_the_rows_at_every_moment_of_a_random_run(calls: Calls, rows: psycopg.Connection):
    run = type("Run", (RandomRun,), {"calls": calls, "rows": rows})
    run_state_machine_as_test(
        run,
        settings=settings(
            derandomize=True,
            max_examples=6,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_job_whose_time_comes_takes_its_place_by_priority_though_nobody_claims(
    calls: Calls, queue: str, rows: psycopg.Connection
):
    ((soon,),) = rows.execute("SELECT extract(epoch FROM now())::float8 + 0.6").fetchall()
    run_at = Timestamp()
    run_at.FromMicroseconds(int(soon * 1e6))
    late, first = calls.enqueue(new_job(queue, priority=9, run_at=run_at), new_job(queue))
    later = calls.enqueue(new_job(queue, run_at=Timestamp(seconds=int(soon) + HOUR)))[0]
    eventually_blocking(lambda: calls.job(late).position == 1, what="its time has come")
    assert (calls.job(first).position, calls.job(later).position) == (2, 3)
