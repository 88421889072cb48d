"""The communication queue's lists and numbers: what a dashboard waits for, over a table that holds many businesses' jobs.

The jobs are made in the table before the service starts; each poll asks for another business, so that no answer is warm
because the one before was the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle

import httpx

from benchmarks.house import House
from benchmarks.meter import Meter
from benchmarks.samples import Sample, percentile
from benchmarks.seeding import seed_messages
from benchmarks.workload import Sizes
from support.gateway import bearer

__all__ = ["POLLS", "stage"]

#: What is asked of a business, by its name in the table.
POLLS = {
    "stats": "/stats",
    "pending": "/pending",
    "failed": "/failed",
    "pending, 1000": "/pending?limit=1000",
    "failed, found by text": "/failed?q=mailbox%20is%20full",
    "by communication": "/by-communication/communication-1",
    "health": "/health",
}


@contextmanager
def stage(house: House, sizes: Sizes) -> Iterator[Callable[[], Sample]]:
    """Makes the table, for any number of repetitions."""
    with house.database() as url:
        seed_messages(url, sizes.messages, sizes.businesses)
        yield partial(_measure, house, sizes, url)


def _measure(house: House, sizes: Sizes, url: str) -> Sample:
    admin = bearer("dashboard", app_metadata={"role": "admin"})
    with (
        house.queue_service(url) as queue,
        house.gateway(queue) as gateway,
        httpx.Client(base_url=gateway.url, timeout=30, trust_env=False, headers=admin) as client,
    ):
        businesses = cycle(f"business-{number}" for number in range(sizes.businesses))
        meter = Meter(house, url, {"client": [os.getpid()], "service": [queue.pid], "gateway": [gateway.pid]})
        for path in POLLS.values():
            _ask(client, next(businesses), path)
        meter.start()
        figures = {}
        for name, path in POLLS.items():
            times = [_ask(client, next(businesses), path) for _ in range(sizes.polls)]
            figures[name, "ms"] = percentile(times, 50)
            figures[f"{name}, p99", "ms"] = percentile(times, 99)
        meter.stop()
    return Sample(figures, meter.costs(sizes.polls * len(POLLS)))


def _ask(client: httpx.Client, business: str, path: str) -> float:
    """Milliseconds until the answer was here, which must not be an empty one."""
    began = time.perf_counter()
    answer = client.get(f"/api/businesses/{business}/communication-queue{path}")
    milliseconds = (time.perf_counter() - began) * 1000
    if not answer.raise_for_status().json():
        raise RuntimeError(f"{path} of {business} has nothing in it")
    return milliseconds
