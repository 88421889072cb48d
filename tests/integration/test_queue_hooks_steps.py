"""What a kind's `on_step` hook writes is there exactly if the step is, and what it raises is its own run's trouble."""

from __future__ import annotations

import asyncio

from psycopg import AsyncConnection

from jobline_queue.core.errors import invalid
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.new_job import NewJob
from jobline_queue.dispatch.hooks import KindHooks
from jobline_queue.dispatch.session import Assignment, OutcomeStatus, StepStatus
from support.eventually import eventually
from support.hooked_core import HookedCore, accept, hooked_core

NOTE = "INSERT INTO jobline.events (queue, name, actor, detail) VALUES ('noted', 'noted', 'hook', %s)"
NOTED = "SELECT detail FROM jobline.events WHERE name = 'noted' ORDER BY detail"
STEPS = "SELECT j.payload::text FROM jobline.steps s JOIN jobline.jobs j ON j.id = s.job_id ORDER BY 1"
FAILED = "SELECT payload::text, error_code, error_message FROM jobline.jobs WHERE state = 'failed' ORDER BY 1"


async def note(connection: AsyncConnection, job: LiveJob, step: str, output: str) -> None:
    await connection.execute(NOTE, [job.payload])
    match job.payload:
        case "1":
            raise invalid("output", f"expected less than {output}")
        case "3":
            await connection.execute("SELECT 1 / 0")
        case "5":
            raise KeyError(step)


async def store_step(core: HookedCore, run: Assignment) -> StepStatus:
    told: asyncio.Future[StepStatus] = asyncio.get_running_loop().create_future()
    desk = core.active.desk
    desk.step(run.job.id, run.lease_token, "count", "7", 0.1, lambda status, _detail: told.set_result(status))
    return await told


async def test_of_many_steps_only_those_are_refused_whose_hook_refuses_and_their_runs_fail(fresh_database: str):
    async with hooked_core(fresh_database, KindHooks("noted", accept, on_step=note)) as core:
        await core.enqueue(*(NewJob("q", "noted", payload=str(number)) for number in range(7)))
        runs = {run.job.payload: run for run in await core.claim("q", ["noted"], most=7)}
        term = core.active.term
        told = await asyncio.gather(*(store_step(core, run) for run in runs.values()))
        refused = [payload for payload, status in zip(runs, told, strict=True) if status is StepStatus.LOST]
        assert refused == ["1", "3", "5"]
        assert core.rows(STEPS) == core.rows(NOTED) == [("0",), ("2",), ("4",), ("6",)]
        await eventually(lambda: len(core.rows(FAILED)) == 3, what="the three runs have failed")
        refusal = "The output of step 'count' was refused"
        assert core.rows(FAILED) == [
            ("1", "RESULT_REJECTED", f"{refusal}: output: expected less than 7"),
            ("3", "RESULT_REJECTED", f"{refusal}: DivisionByZero"),
            ("5", "RESULT_REJECTED", f"{refusal}: KeyError"),
        ]
        assert await core.complete(runs["1"]) is OutcomeStatus.ALREADY_COMMITTED
        assert await core.complete(runs["2"]) is OutcomeStatus.COMMITTED
        assert core.active.term is term
