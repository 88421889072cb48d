"""Enqueue against the real service: order, all or nothing, and calls that are repeated."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
import uuid_utils

from jobline.v1 import job_pb2, job_service_pb2
from jobline.v1 import job_service_pb2 as job_pb
from support.queue_calls import Calls, RawWorker, new_job, refused
from support.queue_service import QueueServiceUnderTest

T = TypeVar("T")


def stored(calls: Calls, queue: str) -> list[job_pb2.Job]:
    """The queue's jobs, oldest first."""
    return sorted(calls.list_jobs(queue), key=lambda job: job.seq)


def at_once(count: int, act: Callable[[int], T]) -> list[T]:
    """What `act` says when `count` threads do it at the same moment."""
    barrier = threading.Barrier(count)

    def go(number: int) -> T:
        barrier.wait(10)
        return act(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(go, range(count)))


def test_what_was_enqueued_can_be_read_as_it_was_sent(calls: Calls, queue: str):
    job = new_job(
        queue,
        {"é": [1, 2.5, None]},
        owner="user:ann",
        priority=-7,
        concurrency_key="key",
        idempotency_key="once",
        correlation_id="corr",
        labels={"a": "b"},
        max_attempts=9,
    )
    (job_id,) = calls.enqueue(job)
    found = calls.job(job_id)
    assert (found.queue, found.kind, found.owner, found.priority) == (queue, "test", "user:ann", -7)
    assert (found.concurrency_key, found.idempotency_key, found.correlation_id) == ("key", "once", "corr")
    assert (dict(found.labels), found.max_attempts, found.attempt) == ({"a": "b"}, 9, 0)
    assert json.loads(found.payload_json) == {"é": [1, 2.5, None]}
    assert found.state == job_pb2.JOB_STATE_PENDING
    assert not found.HasField("lease")
    assert not found.HasField("started_at")
    assert not found.HasField("finished_at")


def test_jobs_of_one_call_keep_their_order_and_their_positions_count_from_one(calls: Calls, queue: str):
    ids = calls.enqueue(*(new_job(queue, number) for number in range(100)))
    assert [job.id for job in stored(calls, queue)] == ids
    assert [job.position for job in stored(calls, queue)] == list(range(1, 101))


def test_pages_visit_every_job_once_newest_first(calls: Calls, queue: str):
    ids = calls.enqueue(*(new_job(queue) for _ in range(25)))
    found: list[str] = []
    token = ""
    chosen = job_pb.JobFilter(queues=[queue])
    while token or not found:
        page = calls.jobs.ListJobs(job_pb.ListJobsRequest(filter=chosen, page_size=10, page_token=token))
        found += [job.id for job in page.jobs]
        token = page.next_page_token
    assert found == ids[::-1]


def test_a_bad_job_stores_nothing_of_its_call_and_every_bad_one_is_named(calls: Calls, queue: str):
    bad = new_job(queue, max_attempts=101)
    with refused("INVALID_FIELD") as seen:
        calls.enqueue(new_job(queue), bad, new_job(queue), bad)
    assert seen[0].fields == ("jobs[1].max_attempts", "jobs[3].max_attempts")
    assert stored(calls, queue) == []


def test_a_key_that_is_used_again_returns_the_first_job(calls: Calls, queue: str):
    first = calls.jobs.EnqueueJobs(
        job_pb.EnqueueJobsRequest(jobs=[new_job(queue, {"a": 1, "b": 2}, idempotency_key="k")])
    )
    again = job_pb.NewJob(queue=queue, kind="test", payload_json='{"b":2, "a": 1}', idempotency_key="k")
    second = calls.jobs.EnqueueJobs(job_pb.EnqueueJobsRequest(jobs=[again]))
    assert second.jobs[0].id == first.jobs[0].id
    assert (first.jobs[0].deduplicated, second.jobs[0].deduplicated) == (False, True)
    assert len(stored(calls, queue)) == 1


def test_a_key_with_other_content_is_refused_and_nothing_of_the_call_is_stored(calls: Calls, queue: str):
    calls.enqueue(new_job(queue, 1, idempotency_key="k"))
    with refused("IDEMPOTENCY_CONFLICT") as seen:
        calls.enqueue(new_job(queue, 3), new_job(queue, 2, idempotency_key="k"))
    assert seen[0].status == "ALREADY_EXISTS"
    assert len(stored(calls, queue)) == 1


def test_keys_belong_to_an_owner_and_a_queue(calls: Calls, queue: str):
    same = [
        new_job(queue, 1, idempotency_key="k", owner="user:a"),
        new_job(queue, 2, idempotency_key="k", owner="user:b"),
        new_job(f"{queue}-other", 3, idempotency_key="k", owner="user:a"),
    ]
    assert len(set(calls.enqueue(*same))) == 3


def test_a_key_twice_in_one_call_is_one_job(calls: Calls, queue: str):
    """Covers F14 and I14."""
    job = new_job(queue, 1, idempotency_key="k")
    answer = calls.jobs.EnqueueJobs(job_pb.EnqueueJobsRequest(jobs=[job, job]))
    assert answer.jobs[0].id == answer.jobs[1].id
    assert [each.deduplicated for each in answer.jobs] == [False, True]
    with refused("IDEMPOTENCY_CONFLICT"):
        calls.enqueue(new_job(queue, 2, idempotency_key="x"), new_job(queue, 3, idempotency_key="x"))
    assert len(stored(calls, queue)) == 1


def test_twenty_identical_calls_at_once_store_one_job(calls: Calls, queue: str):
    """Covers F13 and I14."""
    request = job_pb.EnqueueJobsRequest(jobs=[new_job(queue, 1, idempotency_key="k")])
    answers = at_once(20, lambda _: calls.jobs.EnqueueJobs(request).jobs[0])
    assert len({answer.id for answer in answers}) == 1
    assert sum(not answer.deduplicated for answer in answers) == 1
    assert len(stored(calls, queue)) == 1


def test_twenty_rivals_for_one_key_have_one_winner(calls: Calls, queue: str):
    def rival(number: int) -> str:
        try:
            return calls.enqueue(new_job(queue, number, idempotency_key="k"))[0]
        except Exception:
            return ""

    answers = at_once(20, rival)
    assert [job.id for job in stored(calls, queue)] == [answer for answer in answers if answer]


def test_a_request_repeated_returns_the_same_ids_and_stores_nothing(calls: Calls, queue: str):
    """Covers F13 and I14."""
    request = job_pb.EnqueueJobsRequest(jobs=[new_job(queue, n) for n in range(5)], request_id=str(uuid_utils.uuid7()))
    first, second = (calls.jobs.EnqueueJobs(request).jobs for _ in range(2))
    assert [job.id for job in first] == [job.id for job in second]
    assert [job.deduplicated for job in second] == [True] * 5
    assert len(stored(calls, queue)) == 5


@pytest.mark.parametrize("key", ["", "k"], ids=["without a key", "with a key"])
def test_a_request_repeated_while_the_first_waits_runs_its_job_once(calls: Calls, queue: str, key: str):
    request = job_pb.EnqueueJobsRequest(
        jobs=[new_job(queue, n, idempotency_key=key and f"{key}{n}") for n in range(3)],
        request_id=str(uuid_utils.uuid7()),
    )
    answers = at_once(20, lambda _: [job.id for job in calls.jobs.EnqueueJobs(request).jobs])
    assert len({tuple(answer) for answer in answers}) == 1
    claimed = calls.claim(queue, most=100, wait=5)
    assert [run.job_id for run in claimed] == answers[0]
    assert calls.claim(queue, most=100) == []


def test_the_request_ids_of_two_callers_do_not_meet(service: QueueServiceUnderTest, queue: str):
    request = job_service_pb2.EnqueueJobsRequest(jobs=[new_job(queue)], request_id=str(uuid_utils.uuid7()))
    with (
        Calls(service.address, service.producer_token) as one,
        Calls(service.address, service.other_producer_token) as other,
    ):
        ids = {each.jobs.EnqueueJobs(request).jobs[0].id for each in (one, other)}
    assert len(ids) == 2


def test_a_job_that_is_handed_over_at_once_does_not_pass_one_that_waits(calls: Calls, queue: str):
    waiting = calls.enqueue(*(new_job(queue, n) for n in range(3)))
    worker = RawWorker(calls, queue)
    worker.await_welcome()
    worker.capacity(1)
    first = worker.await_jobs(1)[0]
    late = calls.enqueue(new_job(queue, "late"))
    seen = [first]
    for count in range(2, 5):
        worker.complete(seen[-1])
        seen = worker.await_jobs(count)
    assert [run.job_id for run in seen] == [*waiting, *late]
    worker.cut()


def test_a_worker_with_room_gets_a_new_job_at_once_and_no_kind_it_did_not_name(calls: Calls, queue: str):
    worker = RawWorker(calls, queue)
    worker.await_welcome()
    worker.capacity(10)
    calls.enqueue(new_job(queue, kind="other"), new_job(queue, {"a": 1}, labels={"l": "m"}, correlation_id="c"))
    (run,) = worker.await_jobs(1)
    assert (run.kind, json.loads(run.payload_json), run.attempt, run.max_attempts) == ("test", {"a": 1}, 1, 3)
    assert (dict(run.labels), run.correlation_id, run.queue) == ({"l": "m"}, "c", queue)
    worker.complete(run)
    assert worker.await_ack(run) == "COMMITTED"
    assert len(worker.assignments) == 1
    worker.cut()
