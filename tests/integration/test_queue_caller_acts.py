"""What callers and time do to jobs: cancel, retry, delete, expire, prune, against the real service."""

from __future__ import annotations

import pytest

from jobline.v1 import job_pb2, queue_service_pb2, work_service_pb2
from support.eventually import eventually_blocking
from support.queue_calls import Calls, RawWorker, new_job, refused
from support.queue_service import QueueServiceUnderTest

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


def test_a_pending_job_is_cancelled_at_once_and_never_claimed(calls: Calls, queue: str):
    first, second = calls.enqueue(new_job(queue), new_job(queue))
    assert calls.cancel(first, "changed my mind").state == job_pb2.JOB_STATE_CANCELLED
    (event,) = calls.explain(first).events
    assert (event.name, event.actor, event.detail) == ("cancelled", "service:operator", "changed my mind")
    assert [run.job_id for run in calls.claim(queue, most=5)] == [second]
    with refused("ILLEGAL_TRANSITION") as seen:
        calls.cancel(first)
    assert seen[0].metadata == {"state": "cancelled"}


def test_cancel_now_ends_the_run_and_voids_its_outcome(calls: Calls):
    worker = RawWorker(calls, "now")
    worker.await_welcome()
    worker.capacity(1)
    calls.enqueue(new_job("now"))
    (run,) = worker.await_jobs(1)
    assert calls.cancel(run.job_id).state == job_pb2.JOB_STATE_CANCELLED
    eventually_blocking(lambda: (run.job_id, "LOST") in worker.pushed)
    worker.complete(run)
    assert worker.await_ack(run) == "CANCELLED"
    with refused("CANCELLED") as seen:
        calls.complete(run)
    assert seen[0].status == "ABORTED"
    assert outcomes(calls, run.job_id) == ["cancelled"]
    worker.cut()


def test_cancel_at_the_boundary_asks_and_the_worker_stops(calls: Calls):
    worker = RawWorker(calls, "boundary")
    worker.await_welcome()
    worker.capacity(1)
    calls.enqueue(new_job("boundary"))
    (run,) = worker.await_jobs(1)
    worker.outcome(run, cancelled=work_service_pb2.Cancelled())
    assert worker.await_ack(run) == "INVALID", "nobody has asked"
    asked = calls.cancel(run.job_id)
    assert asked.state == job_pb2.JOB_STATE_RUNNING
    assert asked.HasField("cancel_requested_at")
    assert calls.cancel(run.job_id).state == job_pb2.JOB_STATE_RUNNING, "asking again changes nothing"
    eventually_blocking(lambda: (run.job_id, "CANCEL_REQUESTED") in worker.pushed)
    worker.heartbeat(run)
    eventually_blocking(lambda: (run.job_id, "CANCEL_REQUESTED") in worker.lease_states)
    worker.outcome(run, cancelled=work_service_pb2.Cancelled())
    found = calls.await_state(run.job_id, "cancelled")
    assert not found.HasField("cancel_requested_at")
    assert calls.events(run.job_id) == ["cancel_requested", "cancelled"]
    worker.cut()


def test_a_run_that_was_asked_to_stop_neither_succeeds_nor_comes_back(calls: Calls):
    completed, released, failed, snoozed = (begin(calls, "boundary") for _ in range(4))
    for run in (completed, released, failed, snoozed):
        calls.cancel(run.job_id)
        assert calls.report(run, "next") == ASKED
    for _ in range(2):
        with refused("CANCELLED") as seen:
            calls.complete(completed, {"done": True})
        assert seen[0].status == "ABORTED"
    calls.release(released)
    calls.fail(failed)
    calls.snooze(snoozed, 1)
    states = [calls.state(run.job_id) for run in (completed, released, failed, snoozed)]
    assert states == ["cancelled"] * 4
    job = calls.job(completed.job_id)
    assert (job.result_json, job.attempt) == ("", 0)
    assert outcomes(calls, completed.job_id) == ["cancelled"]
    *_, cancelled, voided = calls.explain(completed.job_id).events
    assert (cancelled.name, cancelled.detail) == ("cancelled", "completed after a cancel was requested")
    assert (voided.name, voided.detail) == ("voided", 'completed: {"done": true}')


def test_a_run_that_fails_for_good_after_it_was_asked_to_stop_has_failed(calls: Calls):
    run = begin(calls, "boundary")
    calls.cancel(run.job_id)
    calls.fail(run, retryable=False)
    assert calls.state(run.job_id) == "failed"


def test_a_cancel_that_was_granted_holds_though_the_delivery_never_arrived(calls: Calls):
    worker = RawWorker(calls, "boundary_short")
    worker.await_welcome()
    worker.capacity(1)
    calls.enqueue(new_job("boundary_short"))
    (run,) = worker.await_jobs(1)
    calls.cancel(run.job_id)
    calls.await_state(run.job_id, "cancelled")
    worker.cut()


def test_a_queue_that_cancels_pending_jobs_only_refuses_for_a_running_one(calls: Calls):
    run = begin(calls, "pending_only")
    with refused("ILLEGAL_TRANSITION") as seen:
        calls.cancel(run.job_id)
    assert (seen[0].status, seen[0].metadata) == ("FAILED_PRECONDITION", {"state": "running"})
    assert calls.complete(run) == COMMITTED


@pytest.mark.parametrize(("queue", "kept"), [("resumes", ["one"]), ("forgets", [])])
def test_a_retry_begins_anew_and_keeps_or_forgets_the_steps(calls: Calls, queue: str, kept: list[str]):
    run = begin(calls, queue)
    calls.report(run, "two", one=1)
    calls.fail(run, retryable=False)
    again = calls.retry(run.job_id)
    assert (again.state, again.attempt) == (job_pb2.JOB_STATE_PENDING, 0)
    assert not again.HasField("error")
    assert not again.HasField("finished_at")
    assert not again.HasField("started_at")
    second = calls.claim_one(queue)
    assert (second.job_id, second.attempt) == (run.job_id, 1)
    assert [step.name for step in second.finished_steps] == kept
    calls.complete(second)
    assert "retried" in calls.events(run.job_id)
    with refused("ILLEGAL_TRANSITION") as seen:
        calls.retry(run.job_id)
    assert seen[0].metadata == {"state": "succeeded"}


def test_only_a_job_that_has_ended_can_be_retried(calls: Calls, queue: str):
    (job_id,) = calls.enqueue(new_job(queue))
    for state in ("pending", "running"):
        with refused("ILLEGAL_TRANSITION") as seen:
            calls.retry(job_id)
        assert seen[0].metadata == {"state": state}
        calls.claim(queue)
    calls.cancel(job_id)


def test_a_retried_job_whose_batch_still_runs_is_nobodys(calls: Calls, queue: str, service: QueueServiceUnderTest):
    calls.enqueue(*(new_job(queue, n) for n in range(2)))
    one, other = calls.claim(queue, most=2)
    assert one.lease_token == other.lease_token
    calls.fail(one, retryable=False)
    calls.retry(one.job_id)
    rows = service.execute("SELECT job_ids::text[] FROM jobline.leases WHERE token = %s", one.lease_token)
    assert rows == [([other.job_id],)]


def test_a_deleted_job_is_gone_with_all_it_had_and_its_run_is_void(
    calls: Calls, queue: str, service: QueueServiceUnderTest
):
    run = begin(calls, queue)
    calls.report(run, one=1)
    calls.release(run)
    run = calls.claim_one(queue)
    calls.delete(run.job_id)
    with refused("JOB_NOT_FOUND"):
        calls.get(run.job_id)
    with refused("STALE_LEASE"):
        calls.complete(run)
    assert calls.heartbeat(run) == [LOST]
    explained = calls.explain(run.job_id)
    assert not explained.HasField("job")
    assert [event.name for event in explained.events] == ["released", "deleted", "voided"]
    for table in ("steps", "attempts"):
        assert service.execute(f"SELECT * FROM jobline.{table} WHERE job_id = %s", run.job_id) == []


def test_a_job_in_any_state_can_be_deleted(calls: Calls, queue: str):
    ended = begin(calls, queue)
    calls.complete(ended)
    (pending,) = calls.enqueue(new_job(queue))
    for job_id in (ended.job_id, pending):
        calls.delete(job_id)
        with refused("JOB_NOT_FOUND"):
            calls.delete(job_id)
    assert calls.claim(queue) == []


def test_a_pending_job_expires_and_leaves_its_event(calls: Calls):
    doomed, running = calls.enqueue(new_job("expires"), new_job("expires", priority=1))
    run = calls.claim_one("expires")
    assert run.job_id == running
    eventually_blocking(lambda: is_gone(calls, doomed), what="the pending job has expired")
    assert calls.events(doomed) == ["expired"]
    assert calls.complete(run) == COMMITTED, "a running job is left to end"


def is_gone(calls: Calls, job_id: str) -> bool:
    try:
        calls.get(job_id)
    except Exception:
        return True
    return False


def test_prune_removes_finished_jobs_past_their_retention_only(calls: Calls):
    old = begin(calls, "pruned")
    calls.complete(old)
    live = begin(calls, "pruned")
    kept = begin(calls, "kept")
    calls.complete(kept)
    prune = queue_service_pb2.PruneJobsRequest
    assert eventually_blocking(lambda: calls.queues.PruneJobs(prune()).removed) == 1
    assert is_gone(calls, old.job_id)
    assert calls.state(live.job_id) == "running"
    assert calls.state(kept.job_id) == "succeeded"
    assert calls.queues.PruneJobs(prune(queue="kept")).removed == 0
