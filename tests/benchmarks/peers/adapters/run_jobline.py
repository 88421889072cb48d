"""Jobline through its public SDK, against a queue service that the runner started at $BENCH_QUEUE_ADDRESS."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapter import SEQUENTIAL, Client, Payload, Peer, main, record

from benchmarks.workload import KIND, PREFETCH, QUEUE, SEQUENTIAL_QUEUE, SLOTS
from jobline.worker import Run, Worker, pipeline

_ADDRESS, _TOKEN = os.environ.get("BENCH_QUEUE_ADDRESS", ""), os.environ.get("JOBLINE_TOKEN", "")
_QUEUE = SEQUENTIAL_QUEUE if SEQUENTIAL else QUEUE


@pipeline(KIND, prefetch=0 if SEQUENTIAL else PREFETCH)
async def noop(run: Run) -> None:
    record(run.payload["sent"])


class Jobline(Peer):
    """The asynchronous client, and a worker process with one pipeline."""

    package = "jobline"
    settings = f"{SLOTS} slots, prefetch {PREFETCH}; one at a time: a queue with max_running = 1, one slot, no prefetch"
    unfinished = "select count(*) from jobline.jobs where finished_at is null"
    uvloop = True

    async def setup(self) -> None:
        """The runner's database is migrated."""

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        from jobline.client import AsyncJoblineClient, NewJob  # here, because a worker process needs none

        async with AsyncJoblineClient(_ADDRESS, _TOKEN, deadline=60.0) as client:
            await client.list_queues()  # connects, as the clients of the others have when they are made

            async def send(job: Payload) -> None:
                await client.enqueue(_QUEUE, KIND, job)

            async def send_many(jobs: list[Payload]) -> None:
                await client.enqueue_many([NewJob(_QUEUE, KIND, job) for job in jobs])

            yield Client(send, send_many)

    async def work(self) -> None:
        await Worker(_ADDRESS, _TOKEN, queues={_QUEUE: 1 if SEQUENTIAL else SLOTS}, pipelines=[noop]).run()


main(Jobline())
