"""A worker of the SDK in the test's own process that goes on whatever happens, with a record of what its handlers did."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobline.client import AsyncJoblineClient, NewJob
from jobline.worker import Json, Run, Worker, pipeline
from support.eventually import eventually
from support.queue_service import QueueServiceUnderTest, execute

__all__ = ["Handled", "all_ended", "connected", "enqueue_all", "steady_worker"]


@dataclass
class Handled:
    """What the handlers of one or more workers did: job id → how often it began, and when each handler ran."""

    runs: Counter[str] = field(default_factory=Counter)
    intervals: list[tuple[str, float, float]] = field(default_factory=list)

    def again(self) -> dict[str, int]:
        """The jobs whose handler began more than once."""
        return {job_id: count for job_id, count in self.runs.items() if count > 1}


@contextlib.asynccontextmanager
async def steady_worker(
    addresses: Sequence[str],
    handled: Handled,
    *,
    seconds: float = 0.0,
    queues: Mapping[str, int] = {"test": 4},
    **more: Any,
) -> AsyncIterator[Worker]:
    """Runs jobs of the kind `test`, each for so long; the result is the payload. Drained at the end of the block."""

    @pipeline("test")
    async def work(run: Run) -> Json:
        handled.runs[run.id] += 1
        began = time.monotonic()
        await asyncio.sleep(seconds)
        handled.intervals.append((run.id, began, time.monotonic()))
        return run.payload

    token = QueueServiceUnderTest.worker_token
    worker = Worker(addresses, token, queues=queues, pipelines=[work], drain_timeout=2.0, **more)
    life = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await asyncio.wait_for(life, 30)


async def enqueue_all(client: AsyncJoblineClient, count: int, queue: str = "test", batch: int = 5) -> list[str]:
    """The ids of so many jobs, enqueued in batches one after the other, through whatever faults there are."""
    ids: list[str] = []
    for start in range(0, count, batch):
        jobs = [NewJob(queue=queue, kind="test", payload=number) for number in range(start, min(count, start + batch))]
        ids += [job.id for job in await client.enqueue_many(jobs)]
    return ids


async def all_ended(database_url: str, within: float = 30.0) -> None:
    """Waits until no job and no lease is left to be dealt with."""
    left = (
        "SELECT (SELECT count(*) FROM jobline.jobs WHERE finished_at IS NULL) + (SELECT count(*) FROM jobline.leases)"
    )
    await eventually(lambda: execute(database_url, left) == [(0,)], within=within, what="every job has ended")


async def connected(client: AsyncJoblineClient) -> None:
    """Waits until a worker's stream is there."""

    async def seen() -> bool:
        return bool(await client.list_workers())

    await eventually(seen, within=20, what="a worker is connected")
