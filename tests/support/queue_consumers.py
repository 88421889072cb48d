"""Consumers of the database queue in processes of their own, spawned: functions that a test has run there."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event
from typing import Any

from jobline.database_queue import AsyncDatabaseQueue, DatabaseQueue

__all__ = ["Consumer", "claim_and_complete", "consumers", "hold_in_a_blocked_loop", "hold_in_a_blocked_thread"]

_SPAWN = multiprocessing.get_context("spawn")
#: A new interpreter imports gRPC first, on a busy machine for a while.
_ANSWER_WITHIN = 60.0

Told = tuple[str, Any]


class Consumer:
    """One spawned process that runs a function; what the function tells arrives here in order."""

    def __init__(self, function: Callable[..., None], *arguments: Any) -> None:
        self._here, there = _SPAWN.Pipe()
        self.go: Event = _SPAWN.Event()
        self.process: SpawnProcess = _SPAWN.Process(target=function, args=(there, self.go, *arguments), daemon=True)
        self.process.start()
        there.close()

    def hear(self) -> Any:
        """The next thing that the process tells."""
        assert self._here.poll(_ANSWER_WITHIN), "the consumer says nothing"
        return self._here.recv()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.join()


@contextmanager
def consumers(function: Callable[..., None], *arguments: Sequence[Any]) -> Iterator[list[Consumer]]:
    """One process for each tuple of arguments; those that are left are killed."""
    started = [Consumer(function, *each) for each in arguments]
    try:
        yield started
    finally:
        for consumer in started:
            consumer.kill()


def claim_and_complete(pipe: Any, go: Event, address: str, token: str, types: Sequence[str], threads: int) -> None:
    """Claims one job in each of some threads at once, and completes it; tells the ids, None where there was no job."""
    with DatabaseQueue(address, token) as queue, ThreadPoolExecutor(threads) as pool:

        def one(_: int) -> str | None:
            go.wait()
            job = queue.claim_job(types)
            if job is None:
                return None
            queue.complete_job(job.job_id)
            return job.job_id

        claims = [pool.submit(one, number) for number in range(threads)]
        queue.update_progress("nobody's", 0, 0)  # connected
        pipe.send("ready")
        pipe.send([claim.result() for claim in claims])


def hold_in_a_blocked_thread(pipe: Any, go: Event, address: str, token: str, job_type: str) -> None:
    """Claims a job, and does nothing at all until it may complete it."""
    with DatabaseQueue(address, token) as queue:
        job = queue.claim_job(job_type, wait=_ANSWER_WITHIN)
        assert job is not None
        pipe.send(job.job_id)
        go.wait()
        queue.complete_job(job.job_id, "held")
        pipe.send("done")


def hold_in_a_blocked_loop(pipe: Any, go: Event, address: str, token: str, job_type: str) -> None:
    """The same in an event loop that is blocked all the time."""

    async def hold() -> None:
        async with AsyncDatabaseQueue(address, token) as queue:
            job = await queue.claim_job(job_type, wait=_ANSWER_WITHIN)
            assert job is not None
            pipe.send(job.job_id)
            go.wait()
            await queue.complete_job(job.job_id, "held")
            pipe.send("done")

    asyncio.run(hold())
