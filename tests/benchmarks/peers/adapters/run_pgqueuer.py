"""pgqueuer on asyncpg and uvloop; $BENCH_BATCH is its batch size. Its tables are logged, which is its default."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
from adapter import PG_DSN, SEQUENTIAL, Client, Payload, Peer, main, record
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

_BATCH = int(os.environ.get("BENCH_BATCH", "100"))


class Pgqueuer(Peer):
    """One connection, as its guide has it."""

    package = "pgqueuer"
    settings = f"asyncpg, uvloop, batch_size={_BATCH}; one at a time: concurrency_limit=1, batch_size=1"
    unfinished = "select count(*) from pgqueuer"
    uvloop = True

    async def setup(self) -> None:
        connection = await asyncpg.connect(PG_DSN)
        await Queries(AsyncpgDriver(connection)).install()
        await connection.close()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        connection = await asyncpg.connect(PG_DSN)
        queries = Queries(AsyncpgDriver(connection))

        async def send(job: Payload) -> None:
            await queries.enqueue("noop", json.dumps(job).encode())

        async def send_many(jobs: list[Payload]) -> None:
            await queries.enqueue(["noop"] * len(jobs), [json.dumps(job).encode() for job in jobs], [0] * len(jobs))

        yield Client(send, send_many)
        await connection.close()

    async def work(self) -> None:
        queue = PgQueuer(AsyncpgDriver(await asyncpg.connect(PG_DSN)))

        @queue.entrypoint("noop", **({"concurrency_limit": 1} if SEQUENTIAL else {}))
        async def noop(job: Job) -> None:
            record(json.loads(job.payload)["sent"])

        one_at_a_time = {"batch_size": 1, "max_concurrent_tasks": 2}
        await queue.run(
            dequeue_timeout=timedelta(seconds=5), **(one_at_a_time if SEQUENTIAL else {"batch_size": _BATCH})
        )


main(Pgqueuer())
