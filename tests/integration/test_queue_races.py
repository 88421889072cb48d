"""The races of the lifecycle, many rounds each: exactly one side wins, and both are told the truth (F8, F22; I3, I7)."""

from __future__ import annotations

import pytest

from jobline.v1 import work_service_pb2
from support.eventually import eventually_blocking
from support.queue_calls import Calls, RawWorker, new_job
from support.queue_service import QueueServiceUnderTest
from support.races import race

ROUNDS = 60


def runs_of(calls: Calls, queue: str, count: int) -> list[work_service_pb2.Assignment]:
    calls.enqueue(*(new_job(queue, n) for n in range(count)))
    runs = calls.claim(queue, most=count, wait=5)
    assert len(runs) == count
    return runs


@pytest.mark.parametrize("mode", ["now", "boundary"])
def test_cancel_against_complete(calls: Calls, mode: str):
    seen = set()
    for run in runs_of(calls, f"race_{mode}", ROUNDS):
        cancelled, completed = race(lambda run=run: calls.cancel(run.job_id), lambda run=run: calls.complete(run))
        state = calls.state(run.job_id)
        seen.add((cancelled, completed, state))
    truths = {("ok", "CANCELLED", "cancelled"), ("ILLEGAL_TRANSITION succeeded", "ok", "succeeded")}
    assert seen <= truths


@pytest.mark.parametrize("queue_name", ["race_now_stream", "race_boundary_stream"])
def test_cancels_against_a_message_full_of_outcomes(calls: Calls, queue_name: str):
    worker = RawWorker(calls, queue_name)
    worker.await_welcome()
    worker.capacity(ROUNDS)
    calls.enqueue(*(new_job(queue_name, n) for n in range(ROUNDS)))
    runs = worker.await_jobs(ROUNDS)
    _, *cancelled = race(
        lambda: worker.complete(*runs), *(lambda run=run: calls.cancel(run.job_id) for run in runs[:: ROUNDS // 15])
    )
    eventually_blocking(lambda: len(worker.acks) == ROUNDS, what="every outcome is answered")
    told = dict(zip([run.job_id for run in runs[:: ROUNDS // 15]], cancelled, strict=True))
    for run in runs:
        expected = {"COMMITTED": "succeeded", "CANCELLED": "cancelled"}[worker.acks[run.job_id]]
        assert calls.state(run.job_id) == expected
        assert (told.get(run.job_id) == "ok") == (expected == "cancelled")
    worker.cut()


def test_cancel_against_claim(calls: Calls):
    ids = calls.enqueue(*(new_job("race_pending", n) for n in range(ROUNDS)))
    for job_id in ids:
        claimed: list[str] = []
        cancelled, _ = race(
            lambda job_id=job_id: calls.cancel(job_id),
            lambda claimed=claimed: claimed.extend(run.job_id for run in calls.claim("race_pending", wait=1)),
        )
        if cancelled == "ok":
            assert job_id not in claimed
            assert calls.state(job_id) == "cancelled"
        else:
            assert cancelled == "ILLEGAL_TRANSITION running"
            assert calls.state(job_id) == "running"


def test_one_outcome_over_two_ways_is_committed_once(calls: Calls):
    for run in runs_of(calls, "twice", ROUNDS // 3):
        statuses: list[int] = []
        told = race(*[lambda run=run, statuses=statuses: statuses.append(calls.complete(run, "x"))] * 3)
        assert told == ["ok"] * 3
        committed, already = (
            work_service_pb2.OUTCOME_STATUS_COMMITTED,
            work_service_pb2.OUTCOME_STATUS_ALREADY_COMMITTED,
        )
        assert sorted(statuses) == [committed, already, already]


def test_complete_against_fail_has_one_winner(calls: Calls):
    seen = set()
    for run in runs_of(calls, "both", ROUNDS // 3):
        race(lambda run=run: calls.complete(run), lambda run=run: calls.fail(run, retryable=False))
        found = calls.get(run.job_id)
        seen.add((calls.state(run.job_id), len(found.attempts)))
    assert seen <= {("succeeded", 1), ("failed", 1)}


def test_delete_against_complete_leaves_nothing_behind(calls: Calls, service: QueueServiceUnderTest):
    runs = runs_of(calls, "deleted", ROUNDS // 2)
    for run in runs:
        deleted, completed = race(lambda run=run: calls.delete(run.job_id), lambda run=run: calls.complete(run))
        assert deleted == "ok"
        assert completed in ("ok", "STALE_LEASE")
    assert service.execute("SELECT id FROM jobline.jobs WHERE queue = 'deleted'") == []
    eventually_blocking(lambda: not service.execute("SELECT 1 FROM jobline.leases WHERE queue = 'deleted'"))


def test_of_many_retries_at_once_one_is_done(calls: Calls):
    for run in runs_of(calls, "retried", 10):
        calls.fail(run, retryable=False)
        told = race(*[lambda run=run: calls.retry(run.job_id)] * 6)
        assert sorted(told) == ["ILLEGAL_TRANSITION pending"] * 5 + ["ok"]
        assert calls.events(run.job_id).count("retried") == 1
    assert len(calls.claim("retried", most=50)) == 10


def test_retry_against_delete(calls: Calls):
    for run in runs_of(calls, "gone", ROUNDS // 3):
        calls.fail(run, retryable=False)
        deleted, retried = race(lambda run=run: calls.delete(run.job_id), lambda run=run: calls.retry(run.job_id))
        assert deleted == "ok"
        assert retried in ("ok", "JOB_NOT_FOUND")
    assert calls.claim("gone", most=50) == [], "whoever came first, the job is gone"


def test_release_against_cancel_never_loses_the_cancel(calls: Calls):
    for run in runs_of(calls, "released", ROUNDS // 3):
        cancelled, released = race(lambda run=run: calls.cancel(run.job_id), lambda run=run: calls.release(run))
        assert (cancelled, released) == ("ok", "ok")
        assert calls.state(run.job_id) == "cancelled"


def test_many_claimers_of_a_queue_of_one_never_hold_two(calls: Calls, service: QueueServiceUnderTest):
    count = 40
    ids = calls.enqueue(*(new_job("race_one", n) for n in range(count)))
    seen: list[str] = []
    too_many: list[int] = []

    def work() -> None:
        while runs := calls.claim("race_one", most=3, wait=0.5):
            running = service.execute(
                "SELECT count(*) FROM jobline.jobs WHERE queue = 'race_one' AND state = 'running'"
            )
            too_many.extend(row[0] for row in running if row[0] > 1)
            seen.extend(run.job_id for run in runs)
            for run in runs:
                calls.complete(run)

    race(*[work] * 4)
    assert seen == ids, "each once, in their order"
    assert too_many == []
