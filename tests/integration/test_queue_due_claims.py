"""Claims of what was due at a moment, against the real service: past all others, under all limits, until nothing is left."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from jobline.v1 import queue_service_pb2, work_service_pb2
from support.eventually import eventually_blocking
from support.queue_calls import Calls, RawWorker, Refusal, new_job, refused
from support.queue_service import POLICIES, queue_service

Answer = work_service_pb2.ClaimJobsResponse
#: Of a call that has something to wait for. One that answers `at once` does so long before.
PATIENCE = 30.0
AT_ONCE = 10.0


def ids(answer: Answer) -> list[str]:
    return [run.job_id for run in answer.assignments]


def left(answer: Answer) -> tuple[int, int]:
    """(pending, running)."""
    return answer.due.pending, answer.due.running


def moved(at: Timestamp, seconds: float) -> Timestamp:
    later = Timestamp()
    later.FromMicroseconds(at.ToMicroseconds() + int(seconds * 1_000_000))
    return later


def waiting_call(
    calls: Calls, queue: str, pool: ThreadPoolExecutor, owner: str = "", at: Timestamp | None = None
) -> Future[Answer]:
    """A call that the service has found nothing for yet."""
    call = pool.submit(calls.claim_due, queue, owner, at, wait=PATIENCE)
    eventually_blocking(lambda: count_waiting(calls, queue), what="the call waits")
    return call


def count_waiting(calls: Calls, queue: str) -> int:
    workers = calls.queues.ListWorkers(queue_service_pb2.ListWorkersRequest()).workers
    return sum(queue in worker.queues and worker.name == "operator" for worker in workers)


def streaming(calls: Calls, queue: str, capacity: int) -> RawWorker:
    worker = RawWorker(calls, queue)
    worker.await_welcome()
    worker.capacity(capacity)
    return worker


# ---- what is in a scope ------------------------------------------------------------------------------------------------


def test_an_owners_jobs_go_past_all_others_by_rank(calls: Calls, queue: str):
    calls.enqueue(*(new_job(queue, owner="business:other", priority=10) for _ in range(20)))
    mine = calls.enqueue(*(new_job(queue, owner="business:mine", priority=priority) for priority in (0, 10, -10, 10)))
    answer = calls.claim_due(queue, "business:mine")
    assert ids(answer) == [mine[n] for n in (1, 3, 0, 2)]
    assert left(answer) == (0, 0)
    assert len(calls.claim(queue, most=100)) == 20


def test_without_an_owner_it_is_every_job_of_these_kinds(calls: Calls, queue: str):
    jobs = [("business:a", "test"), ("business:b", "test"), ("", "test"), ("business:a", "else")]
    mine = calls.enqueue(*(new_job(queue, owner=owner, kind=kind) for owner, kind in jobs))
    answer = calls.claim_due(queue)
    assert (ids(answer), left(answer)) == (mine[:3], (0, 0))


def test_the_answer_tells_the_moment_and_what_is_left_for_the_next_call(calls: Calls, queue: str):
    mine = calls.enqueue(*(new_job(queue, n) for n in range(5)))
    first = calls.claim_due(queue, most=2)
    assert (ids(first), left(first)) == (mine[:2], (3, 0))
    later = calls.enqueue(new_job(queue, priority=10))
    second = calls.claim_due(queue, at=first.due.at, most=2)
    assert (ids(second), left(second)) == (mine[2:4], (1, 2))
    assert second.due.at == first.due.at
    third = calls.claim_due(queue, at=first.due.at, most=2)
    assert (ids(third), left(third)) == (mine[4:], (0, 4))
    for run in [*first.assignments, *second.assignments, *third.assignments]:
        calls.complete(run)
    last = calls.claim_due(queue, at=first.due.at, wait=PATIENCE)
    assert (ids(last), left(last)) == ([], (0, 0))
    assert [run.job_id for run in calls.claim(queue, most=10)] == later


def test_what_is_due_later_or_is_put_off_stays(calls: Calls):
    (probe,) = calls.enqueue(new_job("due_probe"))
    now = calls.job(probe).created_at
    due = calls.enqueue(*(new_job("due_again", n) for n in range(2)))
    calls.enqueue(new_job("due_again", run_at=moved(now, 3600)))
    answer = calls.claim_due("due_again")
    assert ids(answer) == due
    calls.fail(answer.assignments[0])
    calls.snooze(answer.assignments[1], 0.01)
    eventually_blocking(lambda: all(calls.job(each).position for each in due), what="both are due again")
    again = calls.claim_due("due_again", at=answer.due.at, wait=PATIENCE)
    assert (ids(again), left(again)) == ([], (0, 0))
    assert sorted(ids(calls.claim_due("due_again"))) == sorted(due)


def test_a_job_that_was_to_run_before_the_moment_but_was_stored_after_it_is_not_in_the_scope(calls: Calls, queue: str):
    (old,) = calls.enqueue(new_job(queue))
    at = calls.job(old).created_at
    calls.enqueue(new_job(queue, run_at=moved(at, -60)))
    answer = calls.claim_due(queue, at=at)
    assert (ids(answer), left(answer)) == ([old], (0, 0))


def test_a_job_that_was_given_back_is_in_the_scope_again(calls: Calls, queue: str):
    (job_id,) = calls.enqueue(new_job(queue))
    first = calls.claim_due(queue)
    calls.release(first.assignments[0])
    again = calls.claim_due(queue, at=first.due.at)
    assert ids(again) == [job_id]


def test_a_job_that_never_arrived_at_its_worker_is_claimed_when_it_comes_back(calls: Calls):
    (job_id,) = calls.enqueue(new_job("due_short"))
    worker = streaming(calls, "due_short", 1)
    worker.await_jobs(1)  # it says nothing about it
    answer = calls.claim_due("due_short", wait=PATIENCE)
    assert (ids(answer), left(answer)) == ([job_id], (0, 0))
    worker.cut()


# ---- limits ------------------------------------------------------------------------------------------------------------


def test_a_slot_that_comes_free_goes_to_the_scope_past_what_the_stream_would_get(calls: Calls):
    calls.enqueue(*(new_job("due_two", n) for n in range(10)))
    worker = streaming(calls, "due_two", 5)
    held = worker.await_jobs(2)
    (mine,) = calls.enqueue(new_job("due_two", owner="business:mine", priority=-10))
    blocked = calls.claim_due("due_two", "business:mine")
    assert (ids(blocked), left(blocked)) == ([], (1, 0))
    with ThreadPoolExecutor(1) as pool:
        call = waiting_call(calls, "due_two", pool, "business:mine")
        worker.complete(held[0])
        answer = call.result(AT_ONCE)
    assert (ids(answer), left(answer)) == ([mine], (0, 0))
    running = queue_service_pb2.GetQueueRequest(queue="due_two")
    assert calls.queues.GetQueue(running).queue.stats.running == 2
    assert len(worker.assignments) - len(worker.acks) == 1
    worker.capacity(0)
    worker.cut()


def test_an_owner_with_many_calls_gets_no_more_slots_than_with_one_beside_a_stream(calls: Calls):
    worker = streaming(calls, "due_one", 1)
    (blocking,) = calls.enqueue(new_job("due_one"))
    runs = worker.await_jobs(1)
    calls.enqueue(*(new_job("due_one", owner="business:mine") for _ in range(3)))
    urgent = calls.enqueue(*(new_job("due_one", owner="business:other", priority=10) for _ in range(2)))
    order = []
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(calls.claim_due, "due_one", "business:mine", most=1, wait=PATIENCE) for _ in range(3)]
        eventually_blocking(lambda: count_waiting(calls, "due_one") == 3, what="all three calls wait")
        worker.complete(runs[0])
        for turn in range(4):
            if turn % 2 == 0:
                call = next(futures.as_completed(waiting, AT_ONCE))
                waiting.remove(call)
                (run,) = call.result().assignments
                order.append("business:mine")
                calls.complete(run)
            else:
                run = worker.await_jobs(2 + turn // 2)[-1]
                order.append(calls.job(run.job_id).owner)
                worker.complete(run)
        last = waiting[0].result(AT_ONCE)
    assert blocking == runs[0].job_id
    assert order == ["business:mine", "business:other"] * 2
    assert {calls.state(each) for each in urgent} == {"succeeded"}
    assert len(last.assignments) == 1
    calls.complete(last.assignments[0])
    worker.cut()


def test_a_limited_queue_is_emptied_one_by_one(calls: Calls):
    mine = calls.enqueue(*(new_job("due_one", n) for n in range(4)))
    done: list[str] = []
    at = None
    while len(done) < 4:
        answer = calls.claim_due("due_one", at=at, wait=PATIENCE)
        assert left(answer) == (3 - len(done), 0)
        calls.complete(answer.assignments[0])
        done += ids(answer)
        at = answer.due.at
    assert done == mine


def test_a_rate_holds(calls: Calls):
    # A window is used up when the service starts, so nothing may begin within the first hour.
    calls.enqueue(new_job("due_rated"))
    answer = calls.claim_due("due_rated", wait=0.2)
    assert (ids(answer), left(answer)) == ([], (1, 0))


def test_a_key_that_is_full_is_waited_for_while_others_pass(calls: Calls):
    mine = calls.enqueue(*(new_job("due_keyed", concurrency_key=key) for key in ("x", "x", "y")))
    first = calls.claim_due("due_keyed")
    assert (ids(first), left(first)) == ([mine[0], mine[2]], (1, 0))
    with ThreadPoolExecutor(1) as pool:
        call = waiting_call(calls, "due_keyed", pool, at=first.due.at)
        calls.complete(first.assignments[0])
        second = call.result(AT_ONCE)
    assert (ids(second), left(second)) == ([mine[1]], (0, 1))


def test_in_fair_order_who_went_past_the_others_has_had_those_turns(calls: Calls):
    mine = calls.enqueue(*(new_job("due_fair", owner="business:a") for _ in range(6)))
    others = calls.enqueue(*(new_job("due_fair", owner="business:b") for _ in range(6)))
    assert ids(calls.claim_due("due_fair", "business:a", most=3)) == mine[:3]
    assert [calls.job(each).position for each in others[:3]] == [1, 2, 3]
    turns = [run.job_id for run in calls.claim("due_fair", most=9)]
    assert turns[:3] == others[:3]
    assert sorted(turns) == sorted(mine[3:] + others)


# ---- beside others -----------------------------------------------------------------------------------------------------


def test_two_callers_share_the_jobs_and_both_see_the_end(calls: Calls, queue: str):
    mine = calls.enqueue(*(new_job(queue, n) for n in range(60)))
    at = moved(calls.job(mine[-1]).created_at, 0)

    def run_all(_: int) -> list[str]:
        ran: list[str] = []
        while True:
            answer = calls.claim_due(queue, at=at, most=3, wait=PATIENCE)
            for run in answer.assignments:
                calls.complete(run)
            ran += ids(answer)
            if left(answer) == (0, 0) and not answer.assignments:
                return ran

    with ThreadPoolExecutor(2) as pool:
        ran = list(pool.map(run_all, range(2)))
    assert sorted(ran[0] + ran[1]) == sorted(mine)
    assert {calls.state(each) for each in mine} == {"succeeded"}


def test_it_waits_for_what_a_stream_holds_and_answers_when_that_has_ended(calls: Calls, queue: str):
    calls.enqueue(*(new_job(queue, n) for n in range(3)))
    worker = streaming(calls, queue, 3)
    runs = worker.await_jobs(3)
    worker.heartbeat(*runs)
    now = calls.claim_due(queue)
    assert (ids(now), left(now)) == ([], (0, 3))
    with ThreadPoolExecutor(1) as pool:
        call = waiting_call(calls, queue, pool, at=now.due.at)
        worker.complete(*runs[:2])
        worker.await_ack(runs[1])
        assert not call.done()
        calls.enqueue(new_job(queue))  # not in the scope
        calls.fail(runs[2], retryable=False)
        answer = call.result(AT_ONCE)
    assert (ids(answer), left(answer)) == ([], (0, 0))
    worker.cut()


@pytest.mark.parametrize("act", [Calls.cancel, Calls.delete])
def test_a_job_that_a_caller_takes_out_is_not_waited_for(calls: Calls, act: Callable[[Calls, str], object]):
    calls.enqueue(new_job("due_one"))
    blocking = calls.claim_one("due_one")
    (mine,) = calls.enqueue(new_job("due_one", owner="business:mine"))
    with ThreadPoolExecutor(1) as pool:
        call = waiting_call(calls, "due_one", pool, "business:mine")
        act(calls, mine)
        answer = call.result(AT_ONCE)
    assert (ids(answer), left(answer)) == ([], (0, 0))
    calls.complete(blocking)


# ---- answering at once -------------------------------------------------------------------------------------------------


def test_nothing_due_is_answered_at_once(calls: Calls, queue: str):
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(calls.claim_due, queue, wait=PATIENCE).result(AT_ONCE)
    assert (ids(answer), left(answer), answer.due.paused) == ([], (0, 0), False)
    assert answer.due.HasField("at")
    assert not calls.work.ClaimJobs(work_service_pb2.ClaimJobsRequest(queues=[queue], kinds=["test"])).HasField(
        "due"
    ), "only a call that names a scope is told of one"


def test_a_paused_queue_is_answered_at_once_and_so_is_one_that_is_paused_during_the_wait(calls: Calls, queue: str):
    waiting, held = calls.enqueue(new_job(queue), new_job(queue, priority=10))
    assert calls.claim_one(queue).job_id == held
    calls.queues.PauseQueue(queue_service_pb2.PauseQueueRequest(queue=queue))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(calls.claim_due, queue, wait=PATIENCE).result(AT_ONCE)
        assert (ids(answer), left(answer), answer.due.paused) == ([], (1, 1), True)
        calls.queues.ResumeQueue(queue_service_pb2.ResumeQueueRequest(queue=queue))
        resumed = calls.claim_due(queue, at=answer.due.at)
        assert (ids(resumed), resumed.due.paused) == ([waiting], False)
        call = waiting_call(calls, queue, pool, at=answer.due.at)
        calls.queues.PauseQueue(queue_service_pb2.PauseQueueRequest(queue=queue))
        answer = call.result(AT_ONCE)
    assert (ids(answer), left(answer), answer.due.paused) == ([], (0, 2), True)


# ---- calls that fail ---------------------------------------------------------------------------------------------------


def test_a_call_repeated_with_its_request_id_is_answered_the_same(calls: Calls, queue: str):
    calls.enqueue(*(new_job(queue, n) for n in range(4)))
    request = str(uuid.uuid4())
    first, second = (calls.claim_due(queue, most=2, request_id=request) for _ in range(2))
    assert first == second
    assert left(calls.claim_due(queue, most=1)) == (1, 2)


def test_when_the_service_is_killed_the_wait_ends_and_goes_on_with_the_next_one(fresh_database: str, tmp_path: Path):
    with (
        queue_service(fresh_database, tmp_path, POLICIES) as service,
        Calls(service.address, service.operator_token) as calls,
    ):
        mine = calls.enqueue(*(new_job("now", n) for n in range(3)))
        run = calls.claim_one("now")
        first = calls.claim_due("now", most=1)
        with ThreadPoolExecutor(1) as pool:
            held = calls.claim_due("now", at=first.due.at)
            call = waiting_call(calls, "now", pool, at=first.due.at)
            service.restart()
            with pytest.raises(grpc.RpcError) as error:
                call.result(AT_ONCE)
            assert Refusal.of(error.value).status == "UNAVAILABLE"
            calls.channel_ready()
            again = calls.claim_due("now", at=first.due.at)
            assert (ids(again), left(again)) == ([], (0, 3))
            call = waiting_call(calls, "now", pool, at=first.due.at)
            for each in (run, *first.assignments, *held.assignments):
                calls.complete(each)
            answer = call.result(AT_ONCE)
        assert (ids(answer), left(answer)) == ([], (0, 0))
        assert {calls.state(each) for each in mine} == {"succeeded"}


def test_bad_fields_are_named(calls: Calls, queue: str):
    (job_id,) = calls.enqueue(new_job(queue))
    at = calls.job(job_id).created_at
    with refused("INVALID_FIELD") as future:
        calls.claim_due(queue, at=moved(at, 60))
    with refused("INVALID_FIELD") as no_time:
        calls.claim_due(queue, at=Timestamp(nanos=-1))
    with refused("INVALID_FIELD") as owner:
        calls.claim_due(queue, "x" * 2000)
    two = work_service_pb2.ClaimJobsRequest(queues=[queue, "else"], kinds=["test"], due=work_service_pb2.DueScope())
    with refused("INVALID_FIELD") as queues:
        calls.work.ClaimJobs(two)
    assert [each[0].fields for each in (future, no_time, owner, queues)] == [
        ("due.at",),
        ("due.at",),
        ("due.owner",),
        ("queues",),
    ]
    assert ids(calls.claim_due(queue)) == [job_id]
