"""Enqueue: one call after the other, many callers at once, and batches. No worker is connected."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

from benchmarks.house import House, QueueProcess
from benchmarks.meter import Meter
from benchmarks.samples import Sample
from benchmarks.workload import CALLERS, KIND, QUEUE, Sizes, new_jobs, payload
from jobline.client import AsyncJoblineClient

__all__ = ["bulk_100", "bulk_1000", "concurrent", "fill", "single"]

_Send = Callable[[AsyncJoblineClient], Awaitable[None]]

#: PostgreSQL publishes a session's counters with a commit that comes at least a second after the last publication.
_PUBLISHED_AFTER = 1.1


def single(house: House, sizes: Sizes) -> Sample:
    """One caller, who waits for each commit."""

    async def send(client: AsyncJoblineClient) -> None:
        for number in range(sizes.single):
            await client.enqueue(QUEUE, KIND, payload(number, 0.0))

    return _measure(house, sizes.single, send)


def concurrent(house: House, sizes: Sizes) -> Sample:
    """Many callers of one client, each of whom waits for each of its commits."""
    share = sizes.concurrent // CALLERS

    async def one_after_the_other(client: AsyncJoblineClient) -> None:
        for number in range(share):
            await client.enqueue(QUEUE, KIND, payload(number, 0.0))

    async def send(client: AsyncJoblineClient) -> None:
        async with asyncio.TaskGroup() as callers:
            for _ in range(CALLERS):
                callers.create_task(one_after_the_other(client))

    return _measure(house, share * CALLERS, send)


def bulk_100(house: House, sizes: Sizes) -> Sample:
    return _bulk(house, sizes.bulk, 100)


def bulk_1000(house: House, sizes: Sizes) -> Sample:
    return _bulk(house, sizes.bulk, 1000)


async def fill(queue: QueueProcess, count: int, name: str = QUEUE) -> None:
    """Stores jobs for a worker that comes later."""
    *most, last = new_jobs(count, name)
    async with queue.client() as client:
        await client.enqueue_many(most)
        await asyncio.sleep(_PUBLISHED_AFTER)
        await client.enqueue_many([last])


def _bulk(house: House, count: int, size: int) -> Sample:
    jobs = new_jobs(count)

    async def send(client: AsyncJoblineClient) -> None:
        for begin in range(0, count, size):
            await client.enqueue_many(jobs[begin : begin + size])

    return _measure(house, count, send)


def _measure(house: House, count: int, send: _Send) -> Sample:
    """Jobs a second as the caller sees them, and what they cost; the caller is this process."""
    with house.database() as url:
        with house.queue_service(url) as queue:
            meter = Meter(house, url, {"client": [os.getpid()], "service": [queue.pid]})
            seconds, stored = asyncio.run(_time(queue, send, meter))
        problems = () if stored == count else (f"{count} jobs were enqueued, {stored} are stored",)
        return Sample({("rate", "jobs/s"): count / seconds}, meter.costs(count), problems)


async def _time(queue: QueueProcess, send: _Send, meter: Meter) -> tuple[float, int]:
    async with queue.client() as client:
        await client.list_queues()  # connects
        meter.start()
        began = time.perf_counter()
        await send(client)
        seconds = time.perf_counter() - began
        meter.stop()
        return seconds, (await client.get_queue(QUEUE)).stats.ready
