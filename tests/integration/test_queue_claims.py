"""Claims against the real service: the order, every limit, pauses, and the unary claim's own promises."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

from google.protobuf.timestamp_pb2 import Timestamp

from jobline.v1 import queue_service_pb2
from support.eventually import eventually_blocking
from support.queue_calls import Calls, RawWorker, new_job


def in_seconds(calls: Calls, seconds: float) -> Timestamp:
    """A time of the database's clock, told by a job that has just been stored."""
    (probe,) = calls.enqueue(new_job("probe"))
    at = Timestamp()
    at.FromMilliseconds(calls.job(probe).created_at.ToMilliseconds() + int(seconds * 1000))
    return at


def test_higher_priority_goes_first_then_the_earlier_one(calls: Calls, queue: str):
    ids = calls.enqueue(*(new_job(queue, priority=each) for each in (0, 10, -(2**31), -10, 10, 0, 2**31 - 1)))
    assert [calls.job(ids[n]).position for n in (6, 2)] == [1, 7]
    assert [run.job_id for run in calls.claim(queue, most=10)] == [ids[n] for n in (6, 1, 4, 0, 5, 3, 2)]


def test_a_job_is_not_claimed_before_its_time(calls: Calls, queue: str):
    (late,) = calls.enqueue(new_job(queue, run_at=in_seconds(calls, 1)))
    (soon,) = calls.enqueue(new_job(queue))
    assert [calls.job(each).position for each in (soon, late)] == [1, 2]
    assert [run.job_id for run in calls.claim(queue, most=10)] == [soon]
    run = calls.claim_one(queue)
    found = calls.job(late)
    assert run.job_id == late
    assert found.started_at.ToMicroseconds() >= found.run_at.ToMicroseconds()


def test_a_time_in_the_past_means_at_once_and_jumps_no_queue(calls: Calls, queue: str):
    past = Timestamp(seconds=1)
    ids = calls.enqueue(new_job(queue)) + calls.enqueue(new_job(queue, run_at=past))
    assert [run.job_id for run in calls.claim(queue, most=10)] == ids


def test_a_claim_gets_only_the_kinds_it_names_and_at_most_what_it_asks_for(calls: Calls, queue: str):
    ids = calls.enqueue(*(new_job(queue, kind=kind) for kind in ("a", "b", "a", "c", "b")))
    assert [run.job_id for run in calls.claim(queue, kinds=["b", "c"], most=2)] == [ids[1], ids[3]]
    assert [run.job_id for run in calls.claim(queue, kinds=["a"], most=5)] == [ids[0], ids[2]]


def test_max_running_holds_over_all_who_claim(calls: Calls):
    calls.enqueue(*(new_job("two", n) for n in range(5)))
    runs = calls.claim("two", most=5)
    assert len(runs) == 2
    assert calls.claim("two", most=5) == []
    for done in range(3):
        calls.complete(runs[done])
        runs += calls.claim("two", most=5)
        assert len(runs) == 3 + done
    calls.complete(runs[3])
    calls.complete(runs[4])


def test_max_running_holds_over_streams_and_the_next_job_comes_with_the_answer(calls: Calls):
    workers = [RawWorker(calls, "two_streams") for _ in range(3)]
    for worker in workers:
        worker.await_welcome()
        worker.capacity(5)
    ids = calls.enqueue(*(new_job("two_streams", n) for n in range(20)))
    running: list[int] = []

    def work() -> bool:
        held = [(worker, run) for worker in workers for run in worker.assignments if run.job_id not in worker.acks]
        running.append(len(held))
        for worker, run in held:
            worker.complete(run)
        return sum(len(worker.acks) for worker in workers) == len(ids)

    eventually_blocking(work, within=15, what="every job has run")
    started = [run.job_id for worker in workers for run in worker.assignments]
    assert sorted(started) == sorted(ids)
    assert {status for worker in workers for status in worker.acks.values()} <= {"COMMITTED", "ALREADY_COMMITTED"}
    assert max(running) <= 2
    for worker in workers:
        worker.cut()


def test_a_worker_that_lowers_its_capacity_to_0_is_handed_nothing_more(calls: Calls):
    calls.enqueue(*(new_job("lowered", n) for n in range(2)))
    worker = RawWorker(calls, "lowered")
    worker.await_welcome()
    worker.capacity(1)
    (run,) = worker.await_jobs(1)
    worker.capacity(0)
    worker.complete(run)
    assert worker.await_ack(run) == "COMMITTED"
    (next_run,) = calls.claim("lowered", wait=5)
    assert len(worker.assignments) == 1
    calls.complete(next_run)
    worker.cut()


def test_a_key_runs_one_at_a_time_whatever_the_kind_and_others_pass_it(calls: Calls):
    jobs = [("x", "a"), ("x", "b"), ("y", "a"), ("", "a"), ("", "a"), ("x", "a")]
    ids = calls.enqueue(*(new_job("keyed", concurrency_key=key, kind=kind) for key, kind in jobs))
    runs = calls.claim("keyed", kinds=["a", "b"], most=10)
    assert [run.job_id for run in runs] == [ids[n] for n in (0, 2, 3, 4)]
    assert calls.claim("keyed", kinds=["a", "b"], most=10) == []
    calls.complete(runs[0])
    (second,) = calls.claim("keyed", kinds=["a", "b"], most=10)
    assert second.job_id == ids[1]
    calls.release(second)
    (again,) = calls.claim("keyed", kinds=["a", "b"], most=10)
    assert again.job_id == ids[1]


def test_a_start_rate_holds_in_every_window(calls: Calls):
    ids = calls.enqueue(*(new_job("rated", n) for n in range(7)))
    runs: list[str] = []

    def claim() -> bool:
        runs.extend(run.job_id for run in calls.claim("rated", most=10, wait=2))
        return len(runs) == len(ids)

    eventually_blocking(claim, within=15, what="all have started")
    assert runs == ids
    starts = sorted(calls.job(job_id).started_at.ToMicroseconds() for job_id in ids)
    assert all(later - earlier > 999_000 for earlier, later in zip(starts, starts[3:], strict=False))


def test_a_paused_queue_claims_nothing_while_everything_else_goes_on(calls: Calls, queue: str):
    first, second = calls.enqueue(new_job(queue), new_job(queue))
    running = calls.claim_one(queue)
    paused = calls.queues.PauseQueue(queue_service_pb2.PauseQueueRequest(queue=queue, reason="lunch")).queue
    assert paused.paused
    assert calls.claim(queue, most=10) == []
    assert calls.complete(running)
    (third,) = calls.enqueue(new_job(queue))
    assert calls.claim(queue, most=10) == []
    assert calls.state(first) == "succeeded"
    calls.queues.PauseQueue(queue_service_pb2.PauseQueueRequest(queue=queue))
    assert not calls.queues.ResumeQueue(queue_service_pb2.ResumeQueueRequest(queue=queue)).queue.paused
    assert [run.job_id for run in calls.claim(queue, most=10)] == [second, third]


def test_a_queue_may_begin_paused_by_its_policy(calls: Calls):
    calls.enqueue(new_job("closed"))
    assert calls.claim("closed") == []
    calls.queues.ResumeQueue(queue_service_pb2.ResumeQueueRequest(queue="closed"))
    assert len(calls.claim("closed")) == 1


def test_a_queue_tells_its_policy_and_its_counts(calls: Calls, queue: str):
    calls.enqueue(*(new_job(queue) for _ in range(3)), new_job(queue, run_at=in_seconds(calls, 3600)))
    calls.claim(queue)
    found = calls.queues.GetQueue(queue_service_pb2.GetQueueRequest(queue=queue)).queue
    stats = found.stats
    assert (stats.ready, stats.delayed, stats.running) == (2, 1, 1)
    assert stats.HasField("oldest_ready_age")
    assert (found.policy.queue, found.policy.max_attempts, found.policy.lease.seconds) == (queue, 3, 30)
    names = [each.policy.queue for each in calls.queues.ListQueues(queue_service_pb2.ListQueuesRequest()).queues]
    assert names == sorted(names)
    assert {queue, "email_default", "communications", "amb-jobs", "ingestion", "vectorization"} <= set(names)


def test_a_claim_waits_for_the_first_job(calls: Calls, queue: str):
    with ThreadPoolExecutor(1) as pool:
        claim = pool.submit(calls.claim, queue, wait=10)
        eventually_blocking(lambda: is_waited_for(calls, queue), what="the claim waits")
        (job_id,) = calls.enqueue(new_job(queue))
        assert [run.job_id for run in claim.result(10)] == [job_id]


def is_waited_for(calls: Calls, queue: str) -> bool:
    workers = calls.queues.ListWorkers(queue_service_pb2.ListWorkersRequest()).workers
    return any(queue in worker.queues for worker in workers)


def test_a_claim_over_several_queues_holds_no_more_than_it_was_answered(calls: Calls, queue: str):
    names = [f"{queue}-{n}" for n in range(3)]
    ids = [calls.enqueue(new_job(name))[0] for name in names]
    first = calls.claim(*names, most=1)
    rest = calls.claim(*names, most=5)
    assert (len(first), len(rest)) == (1, 2)
    assert sorted(run.job_id for run in first + rest) == sorted(ids)


def test_a_claim_repeated_with_its_request_id_returns_the_same_leases(calls: Calls, queue: str):
    calls.enqueue(*(new_job(queue) for _ in range(4)))
    request = str(uuid.uuid4())
    first, second = (calls.claim(queue, most=2, request_id=request) for _ in range(2))
    assert [(run.job_id, run.lease_token) for run in first] == [(run.job_id, run.lease_token) for run in second]
    assert len(calls.claim(queue, most=10)) == 2


def test_streams_and_unary_claims_share_one_order(calls: Calls, queue: str):
    ids = calls.enqueue(*(new_job(queue, n) for n in range(10)))
    worker = RawWorker(calls, queue)
    worker.await_welcome()
    seen: list[str] = []
    for turn in range(5):
        seen.append(calls.claim_one(queue).job_id)
        worker.capacity(turn + 1)
        seen.append(worker.await_jobs(turn + 1)[turn].job_id)
    assert seen == ids
    worker.cut()
