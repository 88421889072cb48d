"""Fair share against the real service: owners take turns, whatever they have waiting."""

from __future__ import annotations

from collections import Counter

from jobline.v1 import work_service_pb2 as work_pb
from support.queue_calls import Calls, RawWorker, new_job


def enqueue(calls: Calls, queue: str, owner: str, count: int, keys: int = 1, **fields: int) -> list[str]:
    jobs = [
        new_job(queue, n, owner=owner, concurrency_key=f"{owner}-{n % keys}" if keys > 1 else "", **fields)
        for n in range(count)
    ]
    return calls.enqueue(*jobs)


def claim_one_by_one(calls: Calls, queue: str, count: int) -> list[work_pb.Assignment]:
    return [calls.claim_one(queue) for _ in range(count)]


def test_the_few_jobs_of_one_owner_start_in_turn_with_the_thousand_of_another(calls: Calls):
    enqueue(calls, "fair_keys", "user:flood", 1000, keys=200)
    few = enqueue(calls, "fair_keys", "user:few", 5)
    assert calls.job(few[0]).position <= 2
    assert calls.job(few[4]).position <= 10
    first = claim_one_by_one(calls, "fair_keys", 10)
    assert [run.job_id for run in first if run.owner == "user:few"] == few


def test_one_claim_of_many_jobs_is_as_fair_as_many_of_one(calls: Calls):
    for owner in ("user:a", "user:b", "user:c"):
        enqueue(calls, "fair_batch", owner, 100)
    runs = calls.claim("fair_batch", most=90)
    assert Counter(run.owner for run in runs) == {"user:a": 30, "user:b": 30, "user:c": 30}


def test_an_owner_of_weight_three_starts_three_for_each_of_another(calls: Calls):
    enqueue(calls, "fair_weights", "user:light", 60)
    enqueue(calls, "fair_weights", "user:heavy", 60)
    owners = Counter(run.owner for run in calls.claim("fair_weights", most=40))
    assert abs(owners["user:heavy"] - 30) <= 1


def test_a_priority_counts_within_its_owner_only(calls: Calls):
    low = enqueue(calls, "fair_priority", "user:a", 2, priority=-(2**31))
    high = enqueue(calls, "fair_priority", "user:a", 2, priority=2**31 - 1)
    other = enqueue(calls, "fair_priority", "user:b", 3)
    runs = claim_one_by_one(calls, "fair_priority", 7)
    assert [run.job_id for run in runs if run.owner == "user:a"] == high + low
    assert [run.job_id for run in runs if run.owner == "user:b"] == other
    assert {run.owner for run in runs[:2]} == {"user:a", "user:b"}


def test_positions_tell_the_order_in_which_the_jobs_then_start(calls: Calls):
    ids = enqueue(calls, "fair_told", "user:heavy", 7)
    ids += enqueue(calls, "fair_told", "user:b", 4)
    ids += enqueue(calls, "fair_told", "user:c", 2)
    told = sorted(ids, key=lambda each: calls.job(each).position)
    assert [calls.job(each).position for each in told] == list(range(1, 14))
    assert [run.job_id for run in claim_one_by_one(calls, "fair_told", 13)] == told


def test_a_limited_queue_gives_the_slot_that_comes_free_to_the_owner_whose_turn_it_is(calls: Calls):
    enqueue(calls, "fair_one", "user:flood", 50)
    enqueue(calls, "fair_one", "user:few", 3)
    worker = RawWorker(calls, "fair_one")
    worker.capacity(1)
    for done in range(6):
        worker.complete(worker.await_jobs(done + 1)[done])
    assert Counter(run.owner for run in worker.await_jobs(6)[:6]) == {"user:flood": 3, "user:few": 3}
    worker.capacity(0)
    worker.cut()
