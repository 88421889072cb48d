"""Every arrow out of `running` that a worker or the clock takes, against the real service."""

from __future__ import annotations

import json
import uuid

import pytest

from jobline.v1 import job_pb2, work_service_pb2
from support.eventually import eventually_blocking
from support.queue_calls import Calls, RawWorker, new_job, refused

COMMITTED, ALREADY = work_service_pb2.OUTCOME_STATUS_COMMITTED, work_service_pb2.OUTCOME_STATUS_ALREADY_COMMITTED
HELD, LOST, ASKED = (
    work_service_pb2.LEASE_STATE_HELD,
    work_service_pb2.LEASE_STATE_LOST,
    work_service_pb2.LEASE_STATE_CANCEL_REQUESTED,
)


def begin(calls: Calls, queue: str, payload: object = None) -> work_service_pb2.Assignment:
    """A job of the queue that has just been claimed."""
    calls.enqueue(new_job(queue, payload))
    return calls.claim_one(queue)


def outcomes(calls: Calls, job_id: str) -> list[str]:
    """How the job's runs ended, in order."""
    names = [job_pb2.AttemptOutcome.Name(each.outcome) for each in calls.get(job_id).attempts]
    return [name.removeprefix("ATTEMPT_OUTCOME_").lower() for name in names]


# ---- by the worker ------------------------------------------------------------------------------------------------------


def test_a_completed_job_has_succeeded_and_its_own_row_tells_the_run(calls: Calls, queue: str):
    run = begin(calls, queue)
    assert calls.complete(run, {"answer": 42}) == COMMITTED
    found = calls.get(run.job_id)
    assert found.job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert json.loads(found.job.result_json) == {"answer": 42}
    assert found.job.attempt == 1
    assert not found.job.HasField("lease")
    assert not found.job.HasField("error")
    assert found.job.created_at.ToMicroseconds() <= found.job.started_at.ToMicroseconds()
    assert found.job.started_at.ToMicroseconds() <= found.job.finished_at.ToMicroseconds()
    assert outcomes(calls, run.job_id) == ["succeeded"]
    assert found.attempts[0].worker == "operator"


def test_the_same_outcome_again_is_ok(calls: Calls, queue: str):
    completed, failed, released, snoozed = (begin(calls, queue) for _ in range(4))
    assert [calls.complete(completed) for _ in range(3)] == [COMMITTED, ALREADY, ALREADY]
    assert [calls.fail(failed, retryable=False) for _ in range(2)] == [COMMITTED, ALREADY]
    assert [calls.snooze(snoozed, 60) for _ in range(2)] == [COMMITTED, ALREADY]
    assert [calls.release(released) for _ in range(2)] == [COMMITTED, ALREADY]
    assert calls.job(completed.job_id).attempt == 1


def test_a_retryable_failure_waits_for_its_backoff_and_shows_its_error(calls: Calls):
    run = begin(calls, "backoff")
    calls.fail(run, "FLAKY", message="no answer")
    waiting = calls.job(run.job_id)
    assert (waiting.state, waiting.attempt) == (job_pb2.JOB_STATE_PENDING, 1)
    assert (waiting.error.code, waiting.error.message, waiting.error.retryable) == ("FLAKY", "no answer", True)
    assert waiting.run_at.ToMicroseconds() - waiting.updated_at.ToMicroseconds() == pytest.approx(300_000, abs=2)
    second = calls.claim_one("backoff")
    assert (second.job_id, second.attempt) == (run.job_id, 2)
    assert second.lease_token != run.lease_token
    assert not calls.job(run.job_id).HasField("error"), "a running job has no error"
    calls.fail(second)
    later = calls.job(run.job_id)
    assert later.run_at.ToMicroseconds() - later.updated_at.ToMicroseconds() == pytest.approx(3_600_000_000, abs=2)
    assert [each.code for each in calls.explain(run.job_id).waiting_for] == ["BACKOFF"]
    calls.cancel(run.job_id)
    assert not calls.job(run.job_id).HasField("error"), "a cancelled job has no error"
    assert outcomes(calls, run.job_id) == ["failed", "failed"]


def test_a_failure_without_attempts_left_is_final(calls: Calls, queue: str):
    calls.enqueue(new_job(queue, max_attempts=1))
    run = calls.claim_one(queue)
    calls.fail(run, "FLAKY", message="é" * 5000)
    found = calls.job(run.job_id)
    assert (found.state, found.attempt, found.error.code) == (job_pb2.JOB_STATE_FAILED, 1, "FLAKY")
    assert len(found.error.message) == 1000
    assert found.HasField("finished_at")


def test_a_worker_may_say_when_the_next_run_is_due(calls: Calls):
    run = begin(calls, "backoff")
    request = work_service_pb2.FailJobRequest(job_id=run.job_id, lease_token=run.lease_token)
    request.error.CopyFrom(job_pb2.JobError(code="X", retryable=True))
    request.retry_after.SetInParent()
    calls.work.FailJob(request)
    again = calls.claim_one("backoff")
    assert (again.job_id, again.attempt) == (run.job_id, 2)
    calls.complete(again)


def test_a_snoozed_job_waits_and_counts_nothing(calls: Calls, queue: str):
    run = begin(calls, queue)
    calls.snooze(run, 0.3)
    assert calls.job(run.job_id).attempt == 0
    again = calls.claim_one(queue)
    assert (again.job_id, again.attempt) == (run.job_id, 1)
    assert outcomes(calls, run.job_id)[0] == "snoozed"


def test_a_released_job_is_back_at_its_old_place_and_counts_nothing(calls: Calls, queue: str):
    first, second = calls.enqueue(new_job(queue, 1), new_job(queue, 2))
    run = calls.claim_one(queue)
    calls.release(run, "shutdown")
    found = calls.job(first)
    assert (found.state, found.attempt, found.position) == (job_pb2.JOB_STATE_PENDING, 0, 1)
    assert calls.job(second).position == 2
    assert outcomes(calls, first) == ["released"]
    (event,) = calls.explain(first).events
    assert (event.name, event.detail) == ("released", "shutdown")
    assert calls.claim_one(queue).attempt == 1


def test_finished_steps_come_with_the_next_assignment(calls: Calls, queue: str):
    run = begin(calls, queue)
    calls.report(run, "two", one={"url": "x"})
    calls.report(run, "three", two=[2])
    calls.report(run, two=[3])
    calls.release(run)
    again = calls.claim_one(queue)
    assert [(step.name, json.loads(step.output_json)) for step in again.finished_steps] == [
        ("one", {"url": "x"}),
        ("two", [3]),
    ]


def test_progress_is_seen_at_once_and_stays_after_the_end(calls: Calls, queue: str):
    run = begin(calls, queue)
    assert calls.report(run, "composer") == HELD
    assert calls.job(run.job_id).progress.step == "composer"
    calls.complete(run)
    assert calls.job(run.job_id).progress.step == "composer"


def test_what_is_said_with_a_wrong_token_changes_nothing(calls: Calls, queue: str):
    run = begin(calls, queue)
    forged = work_service_pb2.Assignment(job_id=run.job_id, lease_token=str(uuid.uuid4()))
    for act in (calls.complete, calls.fail, calls.release, calls.report):
        with refused("STALE_LEASE") as seen:
            act(forged)
        assert seen[0].status == "FAILED_PRECONDITION"
    assert calls.heartbeat(forged, run) == [LOST, HELD]
    assert calls.complete(run) == COMMITTED


# ---- by time ------------------------------------------------------------------------------------------------------------


def test_a_lapsed_lease_counts_as_a_run_and_its_late_outcome_is_void(calls: Calls):
    run = begin(calls, "short")
    calls.report(run, "two", one=1)
    again = calls.claim_one("short")
    assert (again.job_id, again.attempt) == (run.job_id, 2)
    assert [step.name for step in again.finished_steps] == ["one"]
    with refused("STALE_LEASE"):
        calls.complete(run, "zombie")
    assert calls.heartbeat(run, again) == [LOST, HELD]
    calls.complete(again, "second")
    found = calls.get(run.job_id)
    assert found.job.result_json == '"second"'
    assert outcomes(calls, run.job_id) == ["lost", "succeeded"]
    assert (found.attempts[0].error.code, found.attempts[0].step) == ("WORKER_LOST", "two")


def test_heartbeats_keep_a_lease_for_as_long_as_they_come(calls: Calls):
    run = begin(calls, "short")
    granted = calls.job(run.job_id).lease.expires_at.ToMilliseconds()

    def held_on() -> bool:
        assert calls.heartbeat(run) == [HELD]
        return calls.job(run.job_id).lease.expires_at.ToMilliseconds() > granted + 1500

    eventually_blocking(held_on, within=5)
    assert calls.complete(run) == COMMITTED
    assert calls.job(run.job_id).attempt == 1


def test_the_last_attempt_lost_is_a_failed_job(calls: Calls):
    run = begin(calls, "short_once")
    found = calls.await_state(run.job_id, "failed")
    assert (found.error.code, found.attempt) == ("WORKER_LOST", 1)


def test_a_delivery_that_shows_no_receipt_returns_to_its_place_without_an_attempt(calls: Calls):
    worker = RawWorker(calls, "short_receipt")
    worker.await_welcome()
    worker.capacity(2)
    ids = calls.enqueue(*(new_job("short_receipt", n) for n in range(3)))
    first, second = worker.await_jobs(2)
    worker.capacity(0)
    worker.heartbeat(second)
    calls.await_state(first.job_id, "pending")
    found = calls.job(first.job_id)
    assert (found.attempt, found.position) == (0, 1)
    assert calls.state(second.job_id) == "running"
    eventually_blocking(lambda: (first.job_id, "LOST") in worker.pushed, what="the worker is told")
    assert outcomes(calls, first.job_id) == []
    again = calls.claim_one("short_receipt")
    assert (again.job_id, again.attempt) == (ids[0], 1)
    worker.cut()


def test_a_delivery_that_vanishes_with_its_worker_again_and_again_comes_back_apart_from_its_neighbours(calls: Calls):
    """F12: what kills its worker within the first second must not take everything beside it along for ever."""
    ids = calls.enqueue(*(new_job("short_receipt", n) for n in range(20)))

    def all_waiting_apart() -> bool:
        worker = RawWorker(calls, "short_receipt")
        worker.await_welcome()
        worker.capacity(20)
        worker.await_jobs(1)
        worker.cut()
        for job_id in ids:
            calls.await_state(job_id, "pending")
        return len({calls.job(job_id).run_at.ToMicroseconds() for job_id in ids}) == len(ids)

    eventually_blocking(all_waiting_apart, within=30)
    assert {calls.job(job_id).attempt for job_id in ids} == {0}
    for job_id in ids:
        calls.delete(job_id)


def test_three_runs_lost_with_their_worker_are_poison(calls: Calls):
    (job_id,) = calls.enqueue(new_job("poison"))
    for attempt in (1, 2, 3):
        assert calls.claim_one("poison").attempt == attempt
    found = calls.await_state(job_id, "failed")
    assert (found.error.code, found.attempt, found.max_attempts) == ("POISON", 3, 50)
    assert outcomes(calls, job_id) == ["lost", "lost", "lost"]


def test_a_run_past_its_time_is_ended_though_its_lease_is_held(calls: Calls):
    run = begin(calls, "timed")

    def ended() -> bool:
        return calls.heartbeat(run) == [LOST]

    eventually_blocking(ended, within=10)
    found = calls.get(run.job_id)
    assert (found.job.state, found.job.error.code) == (job_pb2.JOB_STATE_FAILED, "TIMEOUT")
    assert outcomes(calls, run.job_id) == ["timed_out"]
    with refused("STALE_LEASE"):
        calls.complete(run)
