"""A big table: millions of finished jobs, a million that wait. What does it cost to start, to hold and to drain it?

The table is made once; each repetition starts a queue service on it, drains a small part, and lets a standby take over.
The rate is that of the starts: from the first to the last of the part, so that nothing has to be counted in the table. The
same part is drained from a table that holds hardly more, right before and right after.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from benchmarks.draining import begin, pause
from benchmarks.house import House, QueueProcess, Workers
from benchmarks.memory import PEAK, resident
from benchmarks.meter import Meter
from benchmarks.samples import Sample
from benchmarks.seeding import seed_finished, seed_pending
from benchmarks.workload import QUEUE, Sizes
from support.eventually import eventually

__all__ = ["stage"]

#: Jobs that wait behind the part, so that its last ones are drained under the same load as its first ones.
_BEHIND = 2_000
_WITHIN = 180.0


@contextmanager
def stage(house: House, sizes: Sizes) -> Iterator[Callable[[], Sample]]:
    """Makes the table, for any number of repetitions."""
    with house.database() as url:
        seed_finished(url, sizes.finished)
        seed_pending(url, sizes.pending, first=sizes.finished)
        yield partial(_measure, house, sizes, url)


def _measure(house: House, sizes: Sizes, big_url: str) -> Sample:
    before = _small(house, sizes.part)
    big = _drain_part(house, big_url, sizes.part)
    after = _small(house, sizes.part)
    rate = (before.rate + after.rate) / 2
    figures = {
        ("rate", "jobs/s"): big.rate,
        ("small table", "jobs/s"): rate,
        ("share", "%"): 100 * big.rate / rate,
        ("CPU", "µs a job"): big.cpu,
        ("CPU, small table", "µs a job"): (before.cpu + after.cpu) / 2,
        ("start", "s"): big.start,
        ("take-over", "s"): _take_over(house, big_url),
        ("service after start", "MB"): big.memory,
        ("service at its peak", "MB"): big.peak,
    }
    return Sample(figures, big.meter.costs(sizes.part))


def _small(house: House, part: int) -> _Part:
    with house.database() as url:
        seed_pending(url, part + _BEHIND)
        return _drain_part(house, url, part)


@dataclass(frozen=True)
class _Part:
    """Jobs a second; µs a job; seconds from the service's start until it was active; MB."""

    rate: float
    cpu: float
    start: float
    memory: float
    peak: float
    meter: Meter


def _drain_part(house: House, url: str, jobs: int) -> _Part:
    began = time.monotonic()
    with house.queue_service(url) as queue:
        start, memory = time.monotonic() - began, resident(queue.pid)
        asyncio.run(pause(queue, QUEUE))
        house.settle()
        with house.workers(queue) as workers:
            meter = Meter(house, url, {"service": [queue.pid], "worker": workers.pids})
            asyncio.run(_watch(queue, workers, meter, jobs))
            peak = resident(queue.pid, PEAK)
    times = [each.started for each in workers.log.entries()[:jobs]]
    return _Part((jobs - 1) / (times[-1] - times[0]), meter.total_cpu(jobs), start, memory, peak, meter)


async def _watch(queue: QueueProcess, workers: Workers, meter: Meter, jobs: int) -> None:
    await begin(queue, QUEUE, workers, meter)
    await eventually(lambda: workers.log.count() >= jobs, within=_WITHIN, what=f"{jobs} jobs have started")
    meter.stop()
    async with queue.client() as client:
        await client.pause_queue(QUEUE)


def _take_over(house: House, url: str) -> float:
    """Seconds from the active service's SIGKILL until the standby is active."""
    with house.queue_service(url) as active, house.standby(url) as standby:
        os.kill(active.pid, signal.SIGKILL)
        began = time.monotonic()
        asyncio.run(asyncio.wait_for(standby.active(), _WITHIN))
        return time.monotonic() - began
