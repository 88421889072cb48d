"""GetTrends over the wire: it counts what happened, over terms, and shows it without gaps. What else is seen of queues and
workers: changes, lanes, jobs in hand."""

from __future__ import annotations

from collections import Counter
from math import ceil
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from jobline.client import AsyncJoblineClient
from jobline.v1 import queue_pb2
from jobline.v1 import queue_service_pb2 as pb
from support.eventually import eventually_blocking
from support.queue_calls import Calls, RawWorker, new_job, refused
from support.queue_service import QueueServiceUnderTest

DAY = 86_400
FLOWS = ("enqueued", "started", "succeeded", "failed", "cancelled", "retried")
LEVELS = ("ready", "delayed", "running")


def trends(calls: Calls, queue: str = "", seconds: float = 0, points: int = 0) -> list[queue_pb2.QueueTrends]:
    request = pb.GetTrendsRequest(queue=queue, points=points)
    if seconds:
        request.range.FromMicroseconds(round(seconds * 1e6))
    return list(calls.queues.GetTrends(request).trends)


def total(calls: Calls, queue: str) -> queue_pb2.TrendPoint:
    (found,) = trends(calls, queue)
    return found.total


def numbers(point: queue_pb2.TrendPoint, names: tuple[str, ...] = FLOWS) -> dict[str, int]:
    return {name: getattr(point, name) for name in names if getattr(point, name)}


def seconds_of(quantiles: queue_pb2.Quantiles) -> list[float]:
    each: list[Duration] = [quantiles.p50, quantiles.p90, quantiles.p99]
    return [one.ToTimedelta().total_seconds() for one in each]


def ranked(times: list[float]) -> list[float]:
    return [sorted(times)[ceil(share * len(times)) - 1] for share in (0.5, 0.9, 0.99)]


def test_every_start_and_end_is_counted(calls: Calls, queue: str):
    ids = calls.enqueue(*(new_job(queue) for _ in range(12)))
    runs = calls.claim(queue, most=9)
    for run in runs[:3]:
        calls.complete(run)
    for run in runs[3:5]:
        calls.fail(run, "LATER")
    calls.fail(runs[5], "NEVER", retryable=False)
    calls.cancel(ids[11])
    calls.snooze(runs[6], 60)
    calls.release(runs[7])
    calls.cancel(runs[8].job_id)
    calls.fail(runs[8], "LATER")
    (found,) = trends(calls, queue)
    expected = {"enqueued": 12, "started": 9, "succeeded": 3, "failed": 1, "cancelled": 2, "retried": 2}
    assert numbers(found.total) == expected
    assert numbers(found.total, LEVELS) == {"ready": 3, "delayed": 3}
    assert [(error.code, error.count) for error in found.errors] == [("LATER", 2), ("NEVER", 1)]
    assert numbers(sum_of(found.points)) == expected


def sum_of(points: Any) -> queue_pb2.TrendPoint:
    sums: Counter[str] = Counter()
    for point in points:
        sums.update(numbers(point))
    return queue_pb2.TrendPoint(**sums)


def test_a_stream_of_jobs_is_counted_batch_by_batch(calls: Calls, queue: str):
    calls.enqueue(*(new_job(queue) for _ in range(300)))
    worker = RawWorker(calls, queue)
    worker.await_welcome()
    worker.capacity(300)
    runs = worker.await_jobs(300)
    worker.complete(*runs)
    worker.await_ack(runs[-1])
    assert numbers(total(calls, queue)) == {"enqueued": 300, "started": 300, "succeeded": 300}


def test_quantiles_are_those_of_the_table_to_a_tenth(calls: Calls, queue: str, service: QueueServiceUnderTest):
    calls.enqueue(*(new_job(queue) for _ in range(20)))
    for _ in range(20):
        calls.complete(calls.claim_one(queue))
    rows = service.execute(
        """SELECT extract(epoch FROM started_at - run_at)::float8, extract(epoch FROM finished_at - started_at)::float8
           FROM jobline.jobs WHERE queue = %s""",
        queue,
    )
    waits, runs = ([float(row[number]) for row in rows] for number in (0, 1))
    found = total(calls, queue)
    assert seconds_of(found.wait) == pytest.approx(ranked(waits), rel=0.1, abs=1e-5)
    assert seconds_of(found.run) == pytest.approx(ranked(runs), rel=0.1, abs=1e-5)


def test_all_together_comes_first_and_is_the_sum_of_the_others(calls: Calls, queue: str):
    calls.enqueue(new_job(queue))
    together, *each = trends(calls)
    assert together.queue == ""
    assert queue in [trend.queue for trend in each]
    assert [trend.queue for trend in each] == sorted(trend.queue for trend in each)
    assert numbers(sum_of(trend.total for trend in each)) == numbers(together.total)
    assert together.total.ready == sum(trend.total.ready for trend in each)


@pytest.mark.parametrize(
    ("seconds", "points", "length", "count"),
    [(0, 0, 60, 60), (60, 500, 60, 1), (3600, 7, 540, 7), (8 * DAY, 500, 1440, 480), (90, 60, 60, 2)],
)
def test_points_are_of_one_length_and_without_gaps(calls: Calls, seconds: float, points: int, length: int, count: int):
    (together, *_) = trends(calls, seconds=seconds, points=points)
    begins = [point.time.seconds for point in together.points]
    assert {point.length.seconds for point in together.points} == {length}
    assert begins == list(range(begins[0], begins[0] + count * length, length))
    assert (together.total.time.seconds, together.total.length.seconds) == (begins[0], count * length)


@pytest.mark.parametrize(
    ("seconds", "points", "field"),
    [(59, 0, "range"), (8 * DAY + 1, 0, "range"), (-60, 0, "range"), (0, -1, "points"), (0, 501, "points")],
)
def test_a_range_or_a_number_of_points_that_is_none_is_refused(calls: Calls, seconds: int, points: int, field: str):
    with refused("INVALID_FIELD") as seen:
        trends(calls, seconds=seconds, points=points)
    assert seen[0].fields == (field,)


def test_only_a_known_queue_has_trends(calls: Calls, queue: str):
    with refused("QUEUE_NOT_FOUND"):
        trends(calls, queue)


def test_what_was_counted_outlives_a_stop_and_what_was_written_a_kill(lent_service: QueueServiceUnderTest, queue: str):
    with Calls(lent_service.address, lent_service.operator_token) as calls:
        calls.enqueue(*(new_job(queue) for _ in range(5)))
        calls.complete(calls.claim_one(queue))
        lent_service.stop()
        lent_service.start()
        calls.channel_ready()
        assert numbers(total(calls, queue)) == {"enqueued": 5, "started": 1, "succeeded": 1}
        calls.complete(calls.claim_one(queue))
        assert numbers(total(calls, queue)) == {"enqueued": 5, "started": 2, "succeeded": 2}
        lent_service.restart()
        calls.channel_ready()
        kept = total(calls, queue)
        assert kept.enqueued == 5
        assert kept.succeeded in (1, 2), "the second one's minute was under way, unless it ended just then"
        assert kept.ready == 3


# ---- what else is seen ------------------------------------------------------------------------------------------------


def change_id(calls: Calls, queue: str) -> str:
    return str(calls.queues.GetQueue(pb.GetQueueRequest(queue=queue)).queue.change_id)


def test_a_queues_change_id_changes_with_its_own_jobs_alone(calls: Calls, queue: str):
    calls.enqueue(new_job(queue))
    before = change_id(calls, queue)
    calls.enqueue(new_job(f"{queue}-2"))
    assert change_id(calls, queue) == before
    calls.claim_one(queue)
    assert change_id(calls, queue) != before


def test_workers_are_listed_with_their_lanes_and_what_they_hold(calls: Calls, queue: str):
    other = f"{queue}-2"
    ids = calls.enqueue(*(new_job(queue) for _ in range(3)))
    worker = RawWorker(calls, queue, other)
    worker.await_welcome()
    worker.capacity(2, queue)
    worker.capacity(5, other)
    runs = worker.await_jobs(2)
    eventually_blocking(lambda: seen_by_id(calls, worker).lanes[1].capacity == 5, what="the second capacity is in")
    calls.report(runs[0], "half")
    found = seen_by_id(calls, worker)
    assert [(lane.queue, lane.capacity, lane.running) for lane in found.lanes] == [(queue, 2, 2), (other, 5, 0)]
    assert sorted(job.id for job in found.jobs) == sorted(ids[:2])
    by_id = {job.id: job for job in found.jobs}
    told = by_id[runs[0].job_id]
    assert (told.queue, told.kind, told.received, told.progress.step) == (queue, "test", True, "half")
    assert told.started_at.seconds <= told.expires_at.seconds
    untold = by_id[runs[1].job_id]
    assert (untold.received, untold.HasField("progress")) == (False, False)
    assert not seen_by_id(calls, worker, with_jobs=False).jobs


def seen_by_id(calls: Calls, worker: RawWorker, *, with_jobs: bool = True) -> queue_pb2.WorkerInfo:
    workers = calls.queues.ListWorkers(pb.ListWorkersRequest(with_jobs=with_jobs)).workers
    (found,) = [each for each in workers if each.session_id == worker.session]
    return found


def test_a_drain_is_noted(calls: Calls, queue: str, service: QueueServiceUnderTest):
    worker = RawWorker(calls, queue)
    worker.await_welcome()
    calls.queues.DrainWorker(pb.DrainWorkerRequest(worker=worker.session))
    events = service.execute(
        "SELECT queue, actor FROM jobline.events WHERE name = 'drained' AND detail LIKE %s", f"%{worker.session}%"
    )
    assert events == [("", "service:operator")]


async def test_the_client_reads_trends_and_sets_limits(client: AsyncJoblineClient, queue: str):
    await client.enqueue(queue, "test")
    (found,) = await client.get_trends(queue, seconds=600, points=10)
    assert (found.total.enqueued, len(found.points), found.total.length) == (1, 10, 600.0)
    assert found.total.wait is None
    limited = await client.set_queue_limit(queue, 4)
    assert (limited.policy.max_running, limited.limit_overridden) == (4, True)
    assert (await client.set_queue_limit(queue, None)).limit_overridden is False
    assert all(not worker.jobs for worker in await client.list_workers())
