"""procrastinate with asynchronous tasks, woken by LISTEN/NOTIFY."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import procrastinate
from adapter import PG_DSN, SEQUENTIAL, Client, Payload, Peer, main, record

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=PG_DSN, min_size=4, max_size=20))


@app.task(name="noop")
async def noop(**job: Any) -> None:
    record(job["sent"])


class Procrastinate(Peer):
    """One application for the client and the worker."""

    package = "procrastinate"
    settings = "asynchronous task, concurrency=32, pool of 4 to 20, LISTEN/NOTIFY; one at a time: concurrency=1"
    unfinished = "select count(*) from procrastinate_jobs where status in ('todo', 'doing')"

    async def setup(self) -> None:
        async with app.open_async():
            await app.schema_manager.apply_schema_async()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        async with app.open_async():

            async def send(job: Payload) -> None:
                await noop.defer_async(**job)

            async def send_many(jobs: list[Payload]) -> None:
                await noop.batch_defer_async(*jobs)

            yield Client(send, send_many)

    async def work(self) -> None:
        async with app.open_async():
            await app.run_worker_async(concurrency=1 if SEQUENTIAL else 32, install_signal_handlers=False)


main(Procrastinate())
