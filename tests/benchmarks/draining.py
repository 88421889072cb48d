"""Drain: jobs that wait already, from the first handler's start until the table shows no unfinished job.

The queue is paused until every worker is connected, so that neither the start of Python nor the order in which workers
come counts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from benchmarks.enqueueing import fill
from benchmarks.house import House, QueueProcess, Workers
from benchmarks.meter import Meter
from benchmarks.samples import Sample
from benchmarks.start_log import Start
from benchmarks.workload import PREFETCH, QUEUE, SEQUENTIAL_QUEUE, SLOTS, Sizes
from support.eventually import eventually

__all__ = ["begin", "one_worker", "pause", "sequential", "two_workers", "until_left"]

_UNFINISHED = "SELECT count(*) FROM jobline.jobs WHERE finished_at IS NULL"
_OTHERWISE = "SELECT count(*) FROM jobline.jobs WHERE state <> 'succeeded'"
_WITHIN = 180.0
_POLL = 0.003


@dataclass(frozen=True)
class _Load:
    """What waits, and who works it off."""

    queue: str
    jobs: int
    workers: int
    slots: int = SLOTS
    prefetch: int = PREFETCH


def one_worker(house: House, sizes: Sizes) -> Sample:
    return _measure(house, _Load(QUEUE, sizes.drain, workers=1))


def two_workers(house: House, sizes: Sizes) -> Sample:
    return _measure(house, _Load(QUEUE, sizes.drain, workers=2))


def sequential(house: House, sizes: Sizes) -> Sample:
    """A queue with `max_running = 1`: strictly one after the other, in their order."""
    return _measure(house, _Load(SEQUENTIAL_QUEUE, sizes.sequential, workers=1, slots=1, prefetch=0))


def _measure(house: House, load: _Load) -> Sample:
    with house.database() as url:
        with house.queue_service(url) as queue:
            asyncio.run(fill(queue, load.jobs, load.queue))
            asyncio.run(pause(queue, load.queue))
            with house.workers(queue, load.workers, of=load.queue, slots=load.slots, prefetch=load.prefetch) as workers:
                meter = Meter(house, url, {"service": [queue.pid], "worker": workers.pids})
                ended = asyncio.run(_drain(queue, workers, load, url, meter))
        starts = workers.log.entries()
        seconds = ended - min(start.started for start in starts)
        rate = {("rate", "jobs/s"): load.jobs / seconds}
        return Sample(rate, meter.costs(load.jobs), tuple(_problems(starts, load, url)))


async def pause(queue: QueueProcess, name: str) -> None:
    """Nothing of the queue starts any more."""
    async with queue.client() as client:
        await client.pause_queue(name)


async def begin(queue: QueueProcess, name: str, workers: Workers, meter: Meter) -> None:
    """Lets the paused queue go once all its workers are connected."""
    async with queue.client() as client:

        async def all_connected() -> bool:
            return len(await client.list_workers()) == len(workers.pids)

        await eventually(all_connected, within=30, what="the workers are connected")
        meter.start()
        await client.resume_queue(name)


async def until_left(workers: Workers, starts: int, url: str, left: int = 0) -> float:
    """When all but `left` jobs had ended, on the monotonic clock.

    Asks the table only once `starts` handlers have started, in one transaction, so that asking adds no commits. Raises
    TimeoutError.
    """
    deadline = time.monotonic() + _WITHIN
    async with await psycopg.AsyncConnection.connect(url) as connection:
        while time.monotonic() < deadline:
            if workers.log.count() >= starts:
                row = await (await connection.execute(_UNFINISHED)).fetchone()
                if row == (left,):
                    return time.monotonic()
            await asyncio.sleep(_POLL)
    raise TimeoutError(
        f"{workers.log.count()} of {starts} jobs were started within {_WITHIN:.0f} s, the rest not ended"
    )


async def _drain(queue: QueueProcess, workers: Workers, load: _Load, url: str, meter: Meter) -> float:
    await begin(queue, load.queue, workers, meter)
    ended = await until_left(workers, load.jobs, url)
    meter.stop()
    return ended


def _problems(starts: Sequence[Start], load: _Load, url: str) -> list[str]:
    """Every job once and successfully; one at a time means in their order, too."""
    found = []
    if len(starts) != load.jobs:
        found.append(f"{load.jobs} jobs were executed {len(starts)} times")
    if load.slots == 1 and [start.sent for start in starts] != sorted(start.sent for start in starts):
        found.append("jobs of a queue with max_running = 1 started out of their order")
    with psycopg.connect(url) as connection:
        row = connection.execute(_OTHERWISE).fetchone()
    if row != (0,):
        found.append(f"{row and row[0]} jobs did not succeed")
    return found
