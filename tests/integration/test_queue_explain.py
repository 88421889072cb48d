"""Why a job does not run: each reason provoked, with all that it says, against the real service."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from jobline.v1 import job_service_pb2 as job_pb
from jobline.v1 import queue_service_pb2
from support import communications
from support.communications import Business, new_message
from support.eventually import eventually_blocking
from support.queue_calls import Calls, RawWorker, new_job
from support.queue_service import QueueServiceUnderTest, queue_service
from support.stack import Databases

HOUR = 3600
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"


def reasons(calls: Calls, job_id: str) -> list[job_pb.WaitReason]:
    return list(calls.explain(job_id).waiting_for)


def codes(calls: Calls, job_id: str) -> list[str]:
    return [reason.code for reason in reasons(calls, job_id)]


def reason(calls: Calls, job_id: str, code: str) -> job_pb.WaitReason:
    return next(each for each in reasons(calls, job_id) if each.code == code)


def is_now(at: Timestamp, *, plus: float = 0.0) -> bool:
    return abs(at.ToMicroseconds() / 1e6 - time.time() - plus) < 60


def test_a_job_nobody_serves_waits_for_a_worker_and_behind_the_first_in_line(calls: Calls, queue: str):
    first, second, third = calls.enqueue(*(new_job(queue, n, kind="test") for n in range(3)))
    assert codes(calls, first) == ["NO_WORKER"]
    assert codes(calls, second) == ["NO_WORKER", "BEHIND_OTHERS"]
    behind = reason(calls, third, "BEHIND_OTHERS")
    assert (list(behind.job_ids), behind.count) == ([first], 2)
    assert behind.detail == f"2 jobs of the queue are before it, first of all {first}"
    assert reason(calls, first, "NO_WORKER").detail == f"no connected worker takes kind test from queue {queue}"


def test_a_job_whose_workers_are_full_waits_for_capacity(calls: Calls, queue: str):
    worker = RawWorker(calls, queue)
    worker.await_welcome()
    (job_id,) = calls.enqueue(new_job(queue))
    (full,) = reasons(calls, job_id)
    assert (full.code, full.detail) == ("NO_CAPACITY", "the connected worker has no room")
    worker.capacity(1)
    calls.await_state(job_id, "running")
    assert reasons(calls, job_id) == []
    worker.cut()


def test_a_job_that_is_not_due_tells_when_it_is(calls: Calls, queue: str):
    late = Timestamp(seconds=4_000_000_000)
    (job_id,) = calls.enqueue(new_job(queue, run_at=late))
    (delayed,) = reasons(calls, job_id)
    assert (delayed.code, delayed.until, delayed.detail) == ("DELAYED", late, "not due before 2096-10-02 07:06:40 UTC")


def test_a_job_that_backs_off_tells_which_run_failed_and_when_the_next_is_due(calls: Calls):
    (job_id,) = calls.enqueue(new_job("hours"))
    calls.fail(calls.claim_one("hours"))
    (backoff,) = reasons(calls, job_id)
    assert backoff.code == "BACKOFF"
    assert is_now(backoff.until, plus=2 * HOUR)
    assert re.fullmatch(rf"run 1 failed; the next is due at {TIME}", backoff.detail)


def test_a_paused_queue_tells_by_whom_since_when_and_why(calls: Calls, queue: str):
    (job_id,) = calls.enqueue(new_job(queue))
    paused = calls.queues.PauseQueue(queue_service_pb2.PauseQueueRequest(queue=queue, reason="deploy")).queue
    assert (paused.paused, paused.pause.actor, paused.pause.reason) == (True, "service:operator", "deploy")
    told = reasons(calls, job_id)[0]
    assert (told.code, told.actor, told.since) == ("QUEUE_PAUSED", "service:operator", paused.pause.since)
    assert is_now(told.since)
    assert re.fullmatch(rf"queue {queue} is paused by service:operator since {TIME}: deploy", told.detail)
    resumed = calls.queues.ResumeQueue(queue_service_pb2.ResumeQueueRequest(queue=queue)).queue
    assert (resumed.paused, resumed.HasField("pause")) == (False, False)
    assert "QUEUE_PAUSED" not in codes(calls, job_id)


def test_a_queue_that_its_policy_pauses_says_so(calls: Calls):
    (job_id,) = calls.enqueue(new_job("paused_by_policy"))
    told = reasons(calls, job_id)[0]
    assert (told.code, told.actor, told.HasField("since")) == ("QUEUE_PAUSED", "policy", False)
    assert told.detail == "queue paused_by_policy is paused by its policy until it is resumed"
    queue = calls.queues.GetQueue(queue_service_pb2.GetQueueRequest(queue="paused_by_policy")).queue
    assert (queue.paused, queue.pause.actor, queue.pause.HasField("since")) == (True, "policy", False)


def test_a_job_at_the_limit_of_its_queue_names_the_jobs_that_hold_it(calls: Calls):
    holder, waits = calls.enqueue(new_job("limit"), new_job("limit"))
    calls.claim("limit")
    full = reason(calls, waits, "QUEUE_LIMIT")
    assert (list(full.job_ids), full.count) == ([holder], 1)
    assert full.detail == f"1 of at most 1 jobs are running: job {holder}"


def test_a_job_whose_key_is_taken_names_the_job_that_holds_the_key(calls: Calls):
    other, holder, waits = calls.enqueue(
        new_job("key"), *(new_job("key", concurrency_key="acme") for _ in range(2))
    )  # the first job has no key
    runs = calls.claim("key", most=3)
    assert [run.job_id for run in runs] == [other, holder]
    full = reason(calls, waits, "KEY_LIMIT")
    assert (list(full.job_ids), full.count) == ([holder], 1)
    assert full.detail == f"key 'acme' is held by job {holder}; at most 1 of it at once"


def test_a_job_that_a_rate_holds_back_tells_when_the_window_opens(calls: Calls):
    (job_id,) = calls.enqueue(new_job("rate"))
    window = reason(calls, job_id, "RATE_LIMIT")
    assert window.count == 1
    assert time.time() < window.until.seconds <= time.time() + HOUR
    told = rf"1 jobs were started within the last 3600 s; the next may start at {TIME}"
    assert re.fullmatch(told, window.detail)


# ---- reasons that pass within moments: the service is held up in them --------------------------------------------------


@pytest.fixture
def gates(tmp_path: Path) -> dict[str, Path]:
    return {point: tmp_path / point for point in ("claim.before_commit", "finish.before_commit")}


@pytest.fixture
def gated(databases: Databases, tmp_path: Path, gates: dict[str, Path]) -> Iterator[QueueServiceUnderTest]:
    """A service that stores no claim and no act until its gate is opened."""
    armed = ",".join(f"{point}=wait:{gate}" for point, gate in gates.items())
    with databases.fresh() as url, queue_service(url, tmp_path, JOBLINE_FAILPOINTS=armed) as service:
        yield service


@pytest.fixture
def slow(gated: QueueServiceUnderTest) -> Iterator[Calls]:
    with Calls(gated.address, gated.operator_token) as calls:
        yield calls


def test_what_passes_within_moments_is_told_while_it_lasts(
    gated: QueueServiceUnderTest, slow: Calls, gates: dict[str, Path]
):
    claimed, next_one, cancelled = (slow.enqueue(new_job(queue))[0] for queue in ("one", "two", "three"))
    workers = [RawWorker(slow, queue) for queue in ("one", "two")]
    with ThreadPoolExecutor(1) as pool:
        for worker, job_id, code in zip(workers, (claimed, next_one), ("CLAIMING", "NEXT"), strict=True):
            worker.capacity(1)
            await_codes(slow, job_id, code)
        cancel = pool.submit(slow.cancel, cancelled)
        await_codes(slow, cancelled, "CHANGING")
        assert [slow.job(each).position for each in (claimed, next_one, cancelled)] == [1, 1, 0]
        for gate in gates.values():
            gate.touch()
        cancel.result(10)
    for job_id in (claimed, next_one):
        slow.await_state(job_id, "running")
    a_locked_row_is_told(gated, slow)


def a_locked_row_is_told(service: QueueServiceUnderTest, calls: Calls) -> None:
    """The job is tried again and again, and is first in line all the time."""
    business = Business(service)
    locked, behind = (message.id for message in business.submit(new_message(), new_message()))
    with psycopg.connect(service.database_url) as stranger:
        stranger.execute("SELECT FROM jobline.jobs WHERE id = %s FOR UPDATE", [locked])
        worker = RawWorker(calls, communications.QUEUE, kinds=[communications.KIND])
        worker.capacity(1)
        await_codes(calls, locked, "ROW_LOCKED")
        assert calls.job(locked).position == 1
        calls.await_state(behind, "running")
        stranger.rollback()
    business.close()


def await_codes(calls: Calls, job_id: str, *expected: str) -> None:
    eventually_blocking(lambda: codes(calls, job_id) == list(expected), what=f"{job_id} waits for {expected}")


# ---- a race ----------------------------------------------------------------------------------------------------------------


def test_a_job_that_is_being_deleted_is_found_before_and_after(calls: Calls, queue: str):
    """Its row goes and its last event comes in one commit, between any two looks."""
    with ThreadPoolExecutor(1) as pool:
        for job_id in calls.enqueue(*(new_job(queue) for _ in range(100))):
            deleted = pool.submit(calls.delete, job_id)
            eventually_blocking(lambda job_id=job_id: calls.events(job_id) == ["deleted"], what="it is gone")
            deleted.result(10)
