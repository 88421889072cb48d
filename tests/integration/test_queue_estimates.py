"""When jobs will have ended, as callers are told over gRPC."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest

from jobline.client import AsyncJoblineClient
from jobline.v1 import job_pb2, queue_service_pb2
from support.eventually import eventually_blocking
from support.queue_calls import Calls, RawWorker, new_job
from support.queue_service import queue_service
from support.stack import Databases

#: Runs of `slow` have taken 100 seconds: the first step 90 of them, the second one the rest.
PAST_RUNS = """
WITH past AS (
    UPDATE jobline.jobs SET started_at = finished_at - interval '100 seconds' WHERE queue = 'slow' RETURNING id, finished_at
)
INSERT INTO jobline.steps (job_id, name, attempt, output, seconds, finished_at)
SELECT id, step.name, 1, 'null', step.seconds, finished_at - step.before FROM past
CROSS JOIN (VALUES ('first', 90, interval '10 seconds'), ('second', 10, interval '0')) AS step (name, seconds, before)
"""
HOUR = 3600


@contextlib.contextmanager
def worker(calls: Calls, queue: str, capacity: int = 1) -> Iterator[RawWorker]:
    one = RawWorker(calls, queue)
    one.await_welcome()
    one.capacity(capacity)
    yield one
    one.half_close()


def run_one(calls: Calls, queue: str) -> None:
    calls.enqueue(new_job(queue))
    calls.complete(calls.claim_one(queue))


def eta(calls: Calls, job_id: str) -> job_pb2.Eta:
    return calls.job(job_id).eta


def p50(calls: Calls, job_id: str) -> float:
    told = eta(calls, job_id)
    assert told.reason == ""
    return told.p50.ToMicroseconds() / 1e6


def reason(calls: Calls, job_id: str) -> str:
    told = eta(calls, job_id)
    assert told.HasField("p50") == told.HasField("p90") == (told.reason == "")
    return told.reason


def test_there_is_an_estimate_once_a_worker_is_there_and_a_run_of_the_kind_has_ended(calls: Calls, queue: str):
    first, *rest = calls.enqueue(*[new_job(queue) for _ in range(4)])
    assert reason(calls, first) == "NO_WORKER"
    with worker(calls, queue) as one:
        (run,) = one.await_jobs(1)
        assert {reason(calls, each) for each in (first, rest[0])} == {"NO_HISTORY"}
        one.complete(run)
        assert one.await_ack(run) == "COMMITTED"
        one.await_jobs(2)
        eventually_blocking(lambda: reason(calls, rest[0]) == reason(calls, rest[1]) == "", what="there are estimates")
        assert not calls.job(first).HasField("eta"), "it has ended"
        listed = calls.list_jobs(queue)
        assert [job.id for job in listed if job.HasField("eta")] == rest[::-1]
        for job in (*listed[:-1], calls.explain(rest[0]).job):
            assert 0 <= job.eta.p50.ToMicroseconds() <= job.eta.p90.ToMicroseconds()


def test_whoever_is_further_behind_is_told_a_later_time(calls: Calls, queue: str):
    run_one(calls, queue)
    with worker(calls, queue) as one:
        ids = calls.enqueue(*[new_job(queue) for _ in range(30)])
        one.await_jobs(1)
        waiting = [job for job in reversed(calls.list_jobs(queue)) if job.id in ids[1:]]
        assert [job.position for job in waiting] == list(range(1, 30))
        assert all(job.HasField("eta") for job in waiting)
        for field in ("p50", "p90"):
            times = [getattr(job.eta, field).ToMicroseconds() for job in waiting]
            assert times == sorted(times)
            assert times[0] < times[-1]


def test_a_paused_queue_has_no_estimate_for_what_waits(calls: Calls, queue: str):
    run_one(calls, queue)
    with worker(calls, queue) as one:
        running, waiting = calls.enqueue(new_job(queue), new_job(queue))
        one.await_jobs(1)
        calls.queues.PauseQueue(queue_service_pb2.PauseQueueRequest(queue=queue, reason="a deploy"))
        assert (reason(calls, running), reason(calls, waiting)) == ("", "QUEUE_PAUSED")
        calls.queues.ResumeQueue(queue_service_pb2.ResumeQueueRequest(queue=queue))
        assert reason(calls, waiting) == ""


def test_a_job_that_is_not_due_does_not_end_before_it_is(calls: Calls, queue: str):
    run_one(calls, queue)
    with worker(calls, queue):
        later = new_job(queue)
        later.run_at.FromSeconds(int(time.time()) + HOUR)
        (job_id,) = calls.enqueue(later)
        assert HOUR - 60 < p50(calls, job_id) < HOUR + 60


def test_a_worker_that_takes_other_kinds_is_no_hope(calls: Calls, queue: str):
    run_one(calls, queue)
    with worker(calls, queue):
        (job_id,) = calls.enqueue(new_job(queue, kind="other"))
        assert reason(calls, job_id) == "NO_WORKER"


async def test_the_client_tells_them_too(client: AsyncJoblineClient, calls: Calls, queue: str):
    (job_id,) = calls.enqueue(new_job(queue))
    told = (await client.get(job_id)).job.eta
    assert told is not None
    assert (told.p50, told.p90, told.reason) == (None, None, "NO_WORKER")
    coverage = (await client.get_queue(queue)).eta_coverage
    assert (coverage.scored, coverage.p50, coverage.p90) == (0, 0.0, 0.0)


def test_a_queue_counts_how_many_of_its_estimates_held(calls: Calls, queue: str):
    run_one(calls, queue)
    with worker(calls, queue) as one:
        calls.enqueue(*[new_job(queue) for _ in range(40)])
        done = 0

        def scored() -> int:
            nonlocal done
            for run in one.assignments[done:]:
                one.complete(run)
                done += 1
            return calls.queues.GetQueue(queue_service_pb2.GetQueueRequest(queue=queue)).queue.eta_coverage.scored

        def is_scored() -> bool:
            calls.enqueue(new_job(queue))
            return scored() > 0

        eventually_blocking(is_scored, within=30, what="estimates are scored")
        coverage = calls.queues.GetQueue(queue_service_pb2.GetQueueRequest(queue=queue)).queue.eta_coverage
        assert 0 <= coverage.p50 <= coverage.p90 <= 1


def test_what_runs_have_taken_outlives_a_restart_and_a_run_has_less_and_less_left(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
):
    with databases.fresh() as url, queue_service(url, tmp_path_factory.mktemp("estimates")) as service:
        with Calls(service.address, service.operator_token) as calls:
            for _ in range(5):
                run_one(calls, "slow")
        service.execute(PAST_RUNS)
        service.restart()
        with Calls(service.address, service.operator_token) as calls:
            (job_id,) = calls.enqueue(new_job("slow"))
            run = calls.claim_one("slow")
            eventually_blocking(lambda: reason(calls, job_id) == "", what="the history has been read")
            first = p50(calls, job_id)
            assert 60 < first < 150
            eventually_blocking(lambda: p50(calls, job_id) < first - 0.1, what="it has less left")
            calls.report(run, step="second")
            eventually_blocking(lambda: 0 < p50(calls, job_id) < 15, what="the second step is the short one")
