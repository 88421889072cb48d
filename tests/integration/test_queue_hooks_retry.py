"""What a kind's `on_retry` hook writes is there exactly if the retry is, and a refusal is its own job's only."""

from __future__ import annotations

import asyncio

from psycopg import AsyncConnection

from jobline_queue.core.errors import Forbidden
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.new_job import NewJob
from jobline_queue.dispatch.hooks import KindHooks
from support.hooked_core import accept, hooked_core

NOTE = "INSERT INTO jobline.events (queue, name, actor, detail) VALUES ('noted', 'noted', 'hook', %s)"
NOTED = "SELECT detail FROM jobline.events WHERE name = 'noted' ORDER BY detail"
STATES = "SELECT payload::text, state, attempt FROM jobline.jobs ORDER BY payload::text"


async def note(connection: AsyncConnection, job: LiveJob) -> None:
    await connection.execute(NOTE, [job.payload])
    match job.payload:
        case "1":
            raise Forbidden("no credit")
        case "3":
            await connection.execute("SELECT 1 / 0")


async def test_of_many_retries_only_those_are_refused_whose_hook_refuses(fresh_database: str):
    async with hooked_core(fresh_database, KindHooks("noted", accept, on_retry=note)) as core:
        ids = await core.enqueue(*(NewJob("q", "noted", payload=str(number)) for number in range(5)))
        for run in await core.claim("q", ["noted"], most=5):
            await core.fail(run, retryable=False)
        told = await asyncio.gather(*(core.retry(job_id) for job_id in ids), return_exceptions=True)
        assert [type(each).__name__ for each in told] == [
            "NoneType", "Forbidden", "NoneType", "DivisionByZero", "NoneType",
        ]  # fmt: skip
        assert core.rows(STATES) == [
            ("0", "pending", 0), ("1", "failed", 1), ("2", "pending", 0), ("3", "failed", 1), ("4", "pending", 0),
        ]  # fmt: skip
        assert core.rows(NOTED) == [("0",), ("2",), ("4",)]
        assert {run.job.payload for run in await core.claim("q", ["noted"], most=5)} == {"0", "2", "4"}
