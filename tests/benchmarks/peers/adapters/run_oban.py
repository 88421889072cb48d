"""oban for Python, its free edition, on uvloop. Needs Python 3.12."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapter import PG_DSN, SEQUENTIAL, Client, Payload, Peer, main, record
from oban import Job, Oban, worker
from oban.schema import install


@worker(queue="default")
class Noop:
    """The job."""

    async def process(self, job: Job) -> None:
        record(job.args["sent"])


class ObanPeer(Peer):
    """A pool each for the client and the worker."""

    package = "oban"
    settings = "uvloop, queue limit 100; one at a time: limit 1"
    unfinished = "select count(*) from oban_jobs where state in ('available', 'executing', 'scheduled', 'retryable')"
    uvloop = True

    async def setup(self) -> None:
        pool = await Oban.create_pool(dsn=PG_DSN)
        await install(pool)
        await pool.close()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        pool = await Oban.create_pool(dsn=PG_DSN)
        oban = Oban(pool=pool)

        async def send(job: Payload) -> None:
            await oban.enqueue(Noop.new(job))

        async def send_many(jobs: list[Payload]) -> None:
            await oban.enqueue_many([Noop.new(job) for job in jobs])

        yield Client(send, send_many)
        await pool.close()

    async def work(self) -> None:
        pool = await Oban.create_pool(dsn=PG_DSN)
        async with Oban(pool=pool, queues={"default": 1 if SEQUENTIAL else 100}):
            await asyncio.Event().wait()


main(ObanPeer())
