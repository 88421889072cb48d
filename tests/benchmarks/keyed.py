"""Limits by key: many keys with two running jobs each, and half of all jobs of one key that is stuck.

What the other half reaches is set beside the same number of jobs of a queue without limits, measured right before and
right after.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from benchmarks.draining import begin, pause, until_left
from benchmarks.house import House, QueueProcess, Workers
from benchmarks.meter import Meter
from benchmarks.samples import Sample
from benchmarks.seeding import seed_keyed, seed_pending
from benchmarks.workload import KEYED_QUEUE, QUEUE, Sizes

__all__ = ["stuck_key"]

#: The jobs of the stuck key that run, and never end.
_HELD = 2


@dataclass(frozen=True)
class _Drain:
    """Jobs a second, from the first start until all that can end have ended; how many started in all."""

    rate: float
    meter: Meter
    started: int


def stuck_key(house: House, sizes: Sizes) -> Sample:
    others = sizes.keyed // 2
    before = _free(house, others)
    with house.database() as url:
        seed_keyed(url, sizes.keyed, KEYED_QUEUE, sizes.keys)
        limited = _drain(house, url, KEYED_QUEUE, others, held=_HELD, left=sizes.keyed - others)
        costs = limited.meter.costs(others)
    after = _free(house, others)
    free = (before.rate + after.rate) / 2
    figures = {
        ("rate", "jobs/s"): limited.rate,
        ("without limits", "jobs/s"): free,
        ("share", "%"): 100 * limited.rate / free,
        ("CPU", "µs a job"): limited.meter.total_cpu(others),
        ("CPU without limits", "µs a job"): (before.meter.total_cpu(others) + after.meter.total_cpu(others)) / 2,
    }
    expected = others + _HELD
    problems = () if limited.started == expected else (f"{expected} jobs should have started, not {limited.started}",)
    return Sample(figures, costs, problems)


def _free(house: House, jobs: int) -> _Drain:
    with house.database() as url:
        seed_pending(url, jobs)
        return _drain(house, url, QUEUE, jobs)


def _drain(house: House, url: str, name: str, jobs: int, *, held: int = 0, left: int = 0) -> _Drain:
    with house.queue_service(url) as queue:
        asyncio.run(pause(queue, name))
        with house.workers(queue, of=name) as workers:
            meter = Meter(house, url, {"service": [queue.pid], "worker": workers.pids})
            ended = asyncio.run(_watch(queue, name, workers, meter, url, jobs + held, left))
            started = workers.log.entries()
    return _Drain(jobs / (ended - started[0].started), meter, len(started))


async def _watch(
    queue: QueueProcess, name: str, workers: Workers, meter: Meter, url: str, starts: int, left: int
) -> float:
    await begin(queue, name, workers, meter)
    ended = await until_left(workers, starts, url, left)
    meter.stop()
    return ended
