"""Latency: from before the enqueue call to the start of the handler, on a system that is idle otherwise."""

from __future__ import annotations

import asyncio
import time

from benchmarks.house import House, QueueProcess, Workers
from benchmarks.meter import Meter
from benchmarks.samples import Sample, percentile
from benchmarks.workload import KIND, QUEUE, Sizes, payload
from jobline.client import AsyncJoblineClient
from support.eventually import eventually

__all__ = ["start_latency"]


def start_latency(house: House, sizes: Sizes) -> Sample:
    with house.database() as url:
        with house.queue_service(url) as queue, house.workers(queue) as workers:
            meter = Meter(house, url, {"service": [queue.pid], "worker": workers.pids})
            asyncio.run(_send(queue, workers, sizes, meter))
        starts = workers.log.entries()[sizes.warm_up :]
        waits = [(start.started - start.sent) * 1000 for start in starts]
        figures = {("p50", "ms"): percentile(waits, 50), ("p99", "ms"): percentile(waits, 99)}
        problems = () if len(waits) == sizes.latency else (f"{sizes.latency} jobs were executed {len(waits)} times",)
        return Sample(figures, meter.costs(sizes.latency), problems)


async def _send(queue: QueueProcess, workers: Workers, sizes: Sizes, meter: Meter) -> None:
    async with queue.client() as client:
        await _pace(client, sizes.warm_up, sizes.interval)
        await _started(workers, sizes.warm_up)
        await asyncio.sleep(1.0)  # what the warm-up left to do is done
        meter.start()
        await _pace(client, sizes.latency, sizes.interval)
        await _started(workers, sizes.warm_up + sizes.latency)
        meter.stop()


async def _pace(client: AsyncJoblineClient, count: int, interval: float) -> None:
    """One call every `interval` seconds; a call that takes longer delays the next."""
    began = time.monotonic()
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number * interval - time.monotonic()))
        await client.enqueue(QUEUE, KIND, payload(number, time.monotonic()))


async def _started(workers: Workers, count: int) -> None:
    await eventually(lambda: workers.log.count() >= count, within=30, what=f"{count} jobs have started")
