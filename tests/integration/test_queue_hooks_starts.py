"""An `on_start` hook that raises fails its own run, before a worker hears of it: the others of the claim, the queue and the
term go on."""

from __future__ import annotations

from psycopg import AsyncConnection

from jobline_queue.core.ending import RunError
from jobline_queue.core.errors import invalid
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.new_job import NewJob
from jobline_queue.core.policy import QueuePolicy
from jobline_queue.dispatch.hooks import KindHooks, RunRefused
from support.eventually import eventually
from support.hooked_core import HookedCore, accept, hooked_core

NOTE = "INSERT INTO jobline.events (queue, name, actor, detail) VALUES ('noted', 'noted', 'hook', %s)"
NOTED = "SELECT detail FROM jobline.events WHERE name = 'noted' ORDER BY detail"
FAILED = "SELECT payload::text, error_code, error_message FROM jobline.jobs WHERE state = 'failed' ORDER BY 1"


async def note(connection: AsyncConnection, job: LiveJob) -> None:
    await connection.execute(NOTE, [job.payload])
    match job.payload:
        case "1":
            raise RunRefused(RunError("BROKE", "No money", False))
        case "3":
            await connection.execute("SELECT 'the secret of somebody else'::integer")
        case "5":
            raise invalid("diary", "expected an empty page")


async def check(core: HookedCore, queue: str) -> None:
    """All begin but those whose hook has refused them, and these have failed."""
    term = core.active.term
    await core.enqueue(*(NewJob(queue, "noted", payload=str(number)) for number in range(7)))
    begun = []
    while len(begun) < 4:
        for run in await core.claim(queue, ["noted"], most=7):
            begun.append(run.job.payload)
            await core.complete(run)
    assert begun == ["0", "2", "4", "6"]
    await eventually(lambda: len(core.rows(FAILED)) == 3, what="the three runs have failed")
    assert core.rows(FAILED) == [
        ("1", "BROKE", "No money"),
        ("3", "RESULT_REJECTED", "The run could not start: InvalidTextRepresentation"),
        ("5", "RESULT_REJECTED", "The run could not start: diary: expected an empty page"),
    ]
    assert core.rows(NOTED) == [("0",), ("2",), ("4",), ("6",)]
    assert core.active.term is term


async def test_of_a_batch_only_those_fail_whose_hook_refuses(fresh_database: str):
    async with hooked_core(fresh_database, KindHooks("noted", accept, on_start=note)) as core:
        await check(core, "q")


async def test_a_limited_queue_goes_on_behind_runs_that_were_refused(fresh_database: str):
    policies = {"one": QueuePolicy("one", max_running=1)}
    async with hooked_core(fresh_database, KindHooks("noted", accept, on_start=note), policies=policies) as core:
        await check(core, "one")
