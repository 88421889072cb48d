"""A transaction that somebody forgot: its snapshot keeps every dead row version alive, under full load.

Full load is one client that enqueues in batches, and one worker. The rate is measured over equal stretches: before the
transaction, at its end, and after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass

import psycopg

from benchmarks.house import House, QueueProcess, Workers
from benchmarks.meter import Meter
from benchmarks.samples import Sample
from benchmarks.workload import Sizes, new_jobs
from jobline.client import AsyncJoblineClient
from support.eventually import eventually

__all__ = ["held_snapshot"]

_BATCH = 1_000
#: How far the client may be ahead of the worker.
_AHEAD = 20_000
_PAUSE = 0.005


def held_snapshot(house: House, sizes: Sizes) -> Sample:
    with house.database() as url:
        with house.queue_service(url) as queue, house.workers(queue) as workers:
            processes = {"client": [os.getpid()], "service": [queue.pid], "worker": workers.pids}
            meter = Meter(house, url, processes)
            before, during, after = asyncio.run(_observe(queue, workers, meter, url, sizes.snapshot))
        figures = {
            ("before", "jobs/s"): before.rate,
            ("at its end", "jobs/s"): during.rate,
            ("share", "%"): 100 * during.rate / before.rate,
            ("after it", "jobs/s"): after.rate,
            ("CPU before", "µs a job"): before.cpu,
            ("CPU at its end", "µs a job"): during.cpu,
        }
        return Sample(figures)


@dataclass(frozen=True)
class _Stretch:
    """Jobs started a second, and microseconds of CPU a job of all processes, PostgreSQL's vacuum included."""

    rate: float
    cpu: float


async def _observe(
    queue: QueueProcess, workers: Workers, meter: Meter, url: str, seconds: float
) -> tuple[_Stretch, _Stretch, _Stretch]:
    """Before the snapshot, at its end, after it."""
    length = seconds / 6
    async with queue.client() as client:
        feeder = asyncio.create_task(_feed(client, workers))
        try:
            await eventually(lambda: workers.log.count() >= _AHEAD, within=60, what="the load is on")
            before = await _measure(workers, meter, length)
            async with await psycopg.AsyncConnection.connect(url) as forgotten:
                await forgotten.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
                await forgotten.execute("SELECT count(*) FROM jobline.leases")
                await asyncio.sleep(seconds - length)
                during = await _measure(workers, meter, length)
            return before, during, await _measure(workers, meter, length)
        finally:
            feeder.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await feeder


async def _feed(client: AsyncJoblineClient, workers: Workers) -> None:
    """Enqueues until cancelled."""
    sent, batch = 0, new_jobs(_BATCH)
    while True:
        if sent - workers.log.count() < _AHEAD:
            await client.enqueue_many(batch)
            sent += _BATCH
        else:
            await asyncio.sleep(_PAUSE)


async def _measure(workers: Workers, meter: Meter, seconds: float) -> _Stretch:
    loop = asyncio.get_running_loop()
    count, began = workers.log.count(), loop.time()
    meter.start()
    await asyncio.sleep(seconds)
    meter.stop()
    jobs = workers.log.count() - count
    return _Stretch(jobs / (loop.time() - began), meter.total_cpu(jobs))
