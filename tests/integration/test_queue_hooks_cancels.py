"""A cancel: what a kind's `on_cancel` hook writes is there exactly if it is, and it may leave a result."""

from __future__ import annotations

import asyncio
import json

import pytest
from psycopg import AsyncConnection

from jobline_queue.core.errors import Forbidden
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.new_job import NewJob
from jobline_queue.core.policy import CancelMode, QueuePolicy
from jobline_queue.dispatch.hooks import KindHooks
from jobline_queue.dispatch.session import OutcomeStatus
from support.hooked_core import accept, hooked_core

NOTE = "INSERT INTO jobline.events (queue, name, actor, detail) VALUES ('noted', 'noted', %s, %s)"
NOTED = "SELECT actor, detail FROM jobline.events WHERE name = 'noted' ORDER BY detail"
STATES = "SELECT payload::text, state FROM jobline.jobs ORDER BY payload::text"
RESULT = "SELECT state, result FROM jobline.jobs WHERE id = %s"
WORDS = '{"error": "Job cancelled by admin", "cancelledBy": "ada"}'


async def note(connection: AsyncConnection, job: LiveJob, actor: str, reason: str) -> None:
    await connection.execute(NOTE, [actor, f"{job.payload} {reason}"])
    match job.payload:
        case "1":
            raise Forbidden("it is mine")
        case "3":
            await connection.execute("SELECT 1 / 0")


@pytest.mark.parametrize("removes", [False, True], ids=["kept", "removed"])
async def test_of_many_cancels_only_those_are_refused_whose_hook_refuses(fresh_database: str, removes: bool):
    hooks = KindHooks("noted", accept, on_cancel=note, cancel_removes=removes)
    async with hooked_core(fresh_database, hooks) as core:
        ids = await core.enqueue(*(NewJob("q", "noted", payload=str(number)) for number in range(5)))
        told = await asyncio.gather(*map(core.cancel, ids), return_exceptions=True)
        assert [type(each).__name__ for each in told] == [
            "NoneType", "Forbidden", "NoneType", "DivisionByZero", "NoneType",
        ]  # fmt: skip
        left = {"1": "pending", "3": "pending"} | ({} if removes else dict.fromkeys("024", "cancelled"))
        assert core.rows(STATES) == sorted(left.items())
        assert core.rows(NOTED) == [("user:ada", f"{number} no more") for number in (0, 2, 4)]
        assert {run.job.payload for run in await core.claim("q", ["noted"], most=5)} == {"1", "3"}


async def test_the_hook_hears_of_pending_jobs_that_are_cancelled_and_of_nothing_else(fresh_database: str):
    policies = {"q": QueuePolicy("q", cancel=CancelMode.NOW)}
    async with hooked_core(fresh_database, KindHooks("noted", accept, on_cancel=note), policies=policies) as core:
        deleted, running, pending = await core.enqueue(*(NewJob("q", "noted", payload=text) for text in "568"))
        await core.delete(deleted)
        (run,) = await core.claim("q", ["noted"])
        assert run.job.id == running
        await core.cancel(running)
        await core.cancel(pending)
        assert core.rows(NOTED) == [("user:ada", "8 no more")]


async def test_a_cancel_may_leave_a_result_with_a_job_that_it_ends_and_a_retry_takes_it_away(fresh_database: str):
    policies = {"now": QueuePolicy("now", cancel=CancelMode.NOW), "late": QueuePolicy("late")}
    async with hooked_core(fresh_database, policies=policies) as core:
        running, pending = await core.enqueue(NewJob("now", "plain"), NewJob("now", "plain"))
        (run,) = await core.claim("now", ["plain"])
        assert run.job.id == running
        for job_id in (running, pending):
            await core.cancel(job_id, WORDS)
            assert core.rows(RESULT, job_id) == [("cancelled", json.loads(WORDS))]
        assert await core.complete(run) is OutcomeStatus.CANCELLED
        await core.retry(running)
        assert core.rows(RESULT, running) == [("pending", None)]
        await core.cancel(running)
        assert core.rows(RESULT, running) == [("cancelled", None)]

        (asked,) = await core.enqueue(NewJob("late", "plain"))
        (run,) = await core.claim("late", ["plain"])
        await core.cancel(asked, WORDS)
        assert await core.complete(run) is OutcomeStatus.CANCELLED
        assert core.rows(RESULT, asked) == [("cancelled", None)]
