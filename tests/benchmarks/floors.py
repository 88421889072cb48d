"""Floors: what an enqueue cannot be quicker than, whatever the queue service does.

The hop is a call of the SDK to a service that does nothing (`empty_service.py`); the commit is the least that stores as much,
in a table with no more than a key. One after the other they are what a caller waits for who waits for each job; a call with
a thousand jobs is answered no sooner either, unless its parts overlap.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Awaitable, Callable

import psycopg

from benchmarks.house import House
from benchmarks.samples import Sample
from benchmarks.workload import KIND, QUEUE, Sizes, new_jobs, payload
from jobline.client import AsyncJoblineClient
from jobline_local.ports import free_port

__all__ = ["enqueue_floors"]

_MANY = 1000
_TABLE = "CREATE TABLE floor (id uuid PRIMARY KEY, payload jsonb NOT NULL)"
_INSERT = "INSERT INTO floor VALUES (%s, %s::text::jsonb)"
_COPY = "COPY floor (id, payload) FROM STDIN"


def enqueue_floors(house: House, sizes: Sizes) -> Sample:
    calls, batches = sizes.single, sizes.bulk // _MANY
    port = free_port()
    with house.programs((sys.executable, "-m", "benchmarks.empty_service", str(port)), house.environ()):
        hop, hop_of_many = asyncio.run(_hop(port, calls, batches))
    with house.database() as url:
        commit, copy = asyncio.run(_commit(url, calls, batches))
    figures = {
        ("one caller, the hop", "µs"): hop * 1e6,
        ("one caller, the commit", "µs"): commit * 1e6,
        ("one caller, at most", "jobs/s"): 1 / (hop + commit),
        ("1000 a call, the hop", "µs a job"): hop_of_many / _MANY * 1e6,
        ("1000 a call, the commit", "µs a job"): copy / _MANY * 1e6,
        ("1000 a call, at most", "jobs/s"): _MANY / (hop_of_many + copy),
    }
    return Sample(figures)


async def _hop(port: int, calls: int, batches: int) -> tuple[float, float]:
    """Seconds of a call with one job, and of one with many."""
    jobs = new_jobs(_MANY)
    async with AsyncJoblineClient(f"127.0.0.1:{port}", "nobody asks", deadline=60.0) as client:
        await client.enqueue_many(jobs)  # waits for the service, and connects
        one = await _mean(calls, lambda number: client.enqueue(QUEUE, KIND, payload(number, 0.0)))
        return one, await _mean(batches, lambda _: client.enqueue_many(jobs))


async def _commit(url: str, calls: int, batches: int) -> tuple[float, float]:
    """Seconds of storing one row, and of storing many."""
    text = json.dumps(payload(0, 0.0))
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        connection.prepare_threshold = 0
        await connection.execute(_TABLE)

        async def copy(_number: int) -> None:
            async with connection.cursor() as cursor, cursor.copy(_COPY) as rows:
                await rows.write("".join(f"{uuid.uuid4()}\t{text}\n" for _ in range(_MANY)))

        one = await _mean(calls, lambda _: connection.execute(_INSERT, (uuid.uuid4(), text)))
        return one, await _mean(batches, copy)


async def _mean(times: int, act: Callable[[int], Awaitable[object]]) -> float:
    """Seconds of one of so many, one after the other."""
    began = time.perf_counter()
    for number in range(times):
        await act(number)
    return (time.perf_counter() - began) / times
