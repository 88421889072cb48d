"""What a run says when it counts no more is told to nobody but the history: one event `voided` for each such run."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import grpc
import psycopg
import pytest

from jobline.v1 import job_pb2, work_service_pb2
from support.eventually import eventually_blocking
from support.queue_calls import Calls, RawWorker, Refusal, new_job, refused
from support.queue_service import QueueServiceUnderTest

ROUNDS = 40
Run = work_service_pb2.Assignment


def start(calls: Calls, queue: str) -> Run:
    calls.enqueue(new_job(queue))
    return calls.claim_one(queue)


def voided(calls: Calls, run: Run) -> list[str]:
    """The details of the job's events of that name."""
    return [event.detail for event in calls.explain(run.job_id).events if event.name == "voided"]


def said(act: Callable[[], object]) -> str:
    """`ok`, or the reason of the refusal."""
    try:
        act()
    except grpc.RpcError as error:
        return Refusal.of(error).reason
    return "ok"


# ---- what is noted ------------------------------------------------------------------------------------------------------


def test_a_result_after_a_cancel_is_noted_with_who_said_it(service: QueueServiceUnderTest, calls: Calls):
    run = start(calls, "now")
    calls.cancel(run.job_id)
    with Calls(service.address, service.worker_token) as worker, refused("CANCELLED"):
        worker.complete(run, {"message_id": "m-1"})
    cancelled, event = calls.explain(run.job_id).events
    assert (cancelled.name, event.name) == ("cancelled", "voided")
    assert (event.actor, event.detail) == ("service:worker", 'completed: {"message_id": "m-1"}')
    assert (event.from_state, event.to_state) == (job_pb2.JOB_STATE_CANCELLED, job_pb2.JOB_STATE_CANCELLED)
    assert calls.state(run.job_id) == "cancelled"


def test_a_failure_of_a_lost_run_is_noted(calls: Calls):
    run = start(calls, "short")
    calls.await_state(run.job_id, "pending")
    with refused("STALE_LEASE"):
        calls.fail(run, "PROVIDER_ERROR", message="503 from the provider")
    assert voided(calls, run) == ["failed: PROVIDER_ERROR: 503 from the provider"]


def test_a_result_for_a_job_that_was_deleted_meanwhile_is_noted_among_what_is_left(calls: Calls, queue: str):
    run = start(calls, queue)
    calls.delete(run.job_id)
    with refused("STALE_LEASE"):
        calls.complete(run, "sent")
    deleted, event = calls.explain(run.job_id).events
    assert (deleted.name, event.name, event.detail) == ("deleted", "voided", 'completed: "sent"')
    assert (event.from_state, event.to_state) == (0, 0)


def test_a_row_that_ended_behind_the_services_back_counts_too(service: QueueServiceUnderTest, calls: Calls, queue: str):
    ended, failing = start(calls, queue), start(calls, queue)
    for run in (ended, failing):
        service.execute("UPDATE jobline.jobs SET state = 'cancelled', finished_at = now() WHERE id = %s", run.job_id)
    with refused("STALE_LEASE"):
        calls.complete(ended, 1)
    with refused("STALE_LEASE"):
        calls.fail(failing)
    assert (voided(calls, ended), voided(calls, failing)) == (["completed: 1"], ["failed: BROKEN: it broke"])


def test_over_the_stream_it_is_the_same(calls: Calls):
    worker = RawWorker(calls, "now")
    worker.await_welcome()
    worker.capacity(1)
    calls.enqueue(new_job("now"))
    (run,) = worker.await_jobs(1)
    calls.cancel(run.job_id)
    worker.complete(run)
    assert worker.await_ack(run) == "CANCELLED"
    (_, event) = calls.explain(run.job_id).events
    assert (event.name, event.actor, event.detail) == ("voided", "service:operator", "completed: null")
    worker.cut()


def test_the_detail_is_cut(calls: Calls):
    run = start(calls, "now")
    calls.cancel(run.job_id)
    with refused("CANCELLED"):
        calls.complete(run, "x" * 5000)
    (detail,) = voided(calls, run)
    assert len(detail) == 1000
    assert detail.startswith('completed: "xxx')


# ---- how often ----------------------------------------------------------------------------------------------------------


def test_an_outcome_that_is_repeated_is_noted_once(calls: Calls):
    run = start(calls, "now")
    calls.cancel(run.job_id)
    told = [said(lambda: calls.complete(run)) for _ in range(3)] + [said(lambda: calls.fail(run))]
    assert told == ["CANCELLED"] * 4
    assert voided(calls, run) == ["completed: null"]


def test_two_runs_of_a_job_that_both_came_too_late_are_two(calls: Calls):
    runs = [start(calls, "now")]
    (first,) = runs
    calls.cancel(first.job_id)
    calls.retry(first.job_id)
    runs.append(calls.claim_one("now"))
    calls.cancel(first.job_id)
    for run in runs * 2:
        with refused("CANCELLED"):
            calls.complete(run)
    assert voided(calls, first) == ["completed: null"] * 2


def test_a_late_word_says_in_which_state_it_found_the_job(calls: Calls):
    run = start(calls, "now")
    calls.cancel(run.job_id)
    calls.retry(run.job_id)
    calls.claim_one("now")
    with refused("CANCELLED"):
        calls.complete(run)
    event = calls.explain(run.job_id).events[-1]
    assert (event.name, event.from_state) == ("voided", job_pb2.JOB_STATE_RUNNING)


def test_what_was_stored_before_is_no_void_word(calls: Calls, queue: str):
    done, failed = start(calls, queue), start(calls, queue)
    for _ in range(3):
        calls.complete(done)
        calls.fail(failed, retryable=False)
    assert calls.events(done.job_id) == calls.events(failed.job_id) == []


def test_an_outcome_that_was_stored_is_no_void_word_when_its_job_is_deleted_later(calls: Calls, queue: str):
    run = start(calls, queue)
    calls.complete(run)
    calls.delete(run.job_id)
    with refused("STALE_LEASE"):
        calls.complete(run)
    assert calls.events(run.job_id) == ["deleted"]


def test_a_run_that_did_nothing_has_nothing_to_be_noted(calls: Calls):
    run = start(calls, "now")
    calls.cancel(run.job_id)
    assert [said(lambda: calls.release(run)), said(lambda: calls.snooze(run, 1))] == ["CANCELLED"] * 2
    assert voided(calls, run) == []


def test_of_a_job_that_never_was_nothing_is_noted(service: QueueServiceUnderTest, calls: Calls):
    stranger = Run(job_id=str(uuid.uuid4()), lease_token=str(uuid.uuid4()))
    with refused("STALE_LEASE"):
        calls.complete(stranger)
    assert service.execute("SELECT 1 FROM jobline.events WHERE job_id = %s", stranger.job_id) == []


# ---- races --------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def nothing_ends(service: QueueServiceUnderTest) -> Iterator[None]:
    """Holds up every change of a job: what is said meanwhile waits in its order."""
    with psycopg.connect(service.database_url) as connection:
        connection.execute("LOCK TABLE jobline.jobs IN SHARE MODE")
        yield


def a_write_waits(service: QueueServiceUnderTest) -> bool:
    waiting = (
        "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'jobline.jobs'::regclass AND locktype = 'relation'"
    )
    return service.execute(waiting) != []


@pytest.mark.parametrize("first", ["complete", "cancel"])
def test_complete_against_cancel_in_either_order(service: QueueServiceUnderTest, calls: Calls, first: str):
    run = start(calls, "race_now")
    # Or what waits is the mark that a run gets in its row once it is 100 ms old.
    row = "SELECT state FROM jobline.jobs WHERE id = %s"
    eventually_blocking(lambda: service.execute(row, run.job_id) == [("running",)], what="the row is marked")
    acts = {"complete": lambda: calls.complete(run, "sent"), "cancel": lambda: calls.cancel(run.job_id)}
    second = "cancel" if first == "complete" else "complete"
    with ThreadPoolExecutor(2) as pool:
        told: dict[str, Future[str]] = {}
        with nothing_ends(service):
            told[first] = pool.submit(said, acts[first])
            eventually_blocking(lambda: a_write_waits(service), what="the first one is being written")
            told[second] = pool.submit(said, acts[second])
        answers = {name: answer.result(20) for name, answer in told.items()}
    if first == "complete":
        assert answers == {"complete": "ok", "cancel": "ILLEGAL_TRANSITION"}
        assert (calls.state(run.job_id), calls.events(run.job_id)) == ("succeeded", [])
    else:
        assert answers == {"complete": "CANCELLED", "cancel": "ok"}
        assert (calls.state(run.job_id), calls.events(run.job_id)) == ("cancelled", ["cancelled", "voided"])
        assert voided(calls, run) == ['completed: "sent"']


@pytest.mark.parametrize("act", ["cancel", "delete"])
def test_whoever_loses_a_race_leaves_one_event_and_whoever_wins_none(calls: Calls, act: str):
    calls.enqueue(*(new_job("race_now", n) for n in range(ROUNDS)))
    runs = calls.claim("race_now", most=ROUNDS, wait=5)
    assert len(runs) == ROUNDS
    acts = {"cancel": calls.cancel, "delete": calls.delete}
    with ThreadPoolExecutor(3) as pool:
        for run in runs:
            barrier = threading.Barrier(3)

            def at_once(do: Callable[[], object], barrier: threading.Barrier = barrier) -> str:
                barrier.wait(10)
                return said(do)

            words = [pool.submit(at_once, lambda run=run: calls.complete(run, 1)) for _ in range(2)]
            pool.submit(at_once, lambda run=run: acts[act](run.job_id)).result(20)
            told = {word.result(20) for word in words}
            assert voided(calls, run) == ([] if "ok" in told else ["completed: 1"])
