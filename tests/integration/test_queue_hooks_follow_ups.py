"""An end may enqueue: what an `on_end` hook wants stored is there exactly if the end is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg import AsyncConnection

from jobline_queue.core.ending import Completed, Failed, Released, RunEnd, RunError, Snoozed
from jobline_queue.core.errors import Forbidden
from jobline_queue.core.lifecycle import State
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.new_job import NewJob
from jobline_queue.core.policy import CancelMode, QueuePolicy
from jobline_queue.dispatch.hooks import KindHooks
from jobline_queue.dispatch.session import OutcomeStatus
from support.follow_ups import FIRST, killed_at
from support.hooked_core import accept, hooked_core

NEXT = (
    "SELECT n.producer, n.owner, n.priority, n.concurrency_key, n.max_attempts, n.payload::text, "
    "n.created_at = f.finished_at FROM jobline.jobs n, jobline.jobs f WHERE n.kind = 'next' AND f.kind = 'first'"
)
AFTER = "SELECT payload->>'after' FROM jobline.jobs WHERE kind = 'next' ORDER BY 1"
STATES = "SELECT payload::text, state, error_code FROM jobline.jobs WHERE kind = 'told' ORDER BY id"
#: What a job of the kind `told` has for a follow-up, by its payload. None of these can be stored.
UNSTORABLE = {
    '"queue"': NewJob("No such queue!", "next"),
    '"key"': NewJob("q", "next", idempotency_key="once"),
    '"payload"': NewJob("q", "next", payload='"\\u0000"'),
    '"owner"': NewJob("q", "next", owner="x" * 265),
    '"priority"': NewJob("q", "next", priority=2**31),
}


async def test_a_follow_up_is_stored_with_the_end_and_claimed_at_once_by_a_worker_that_waits(fresh_database: str):
    policies = {"q": QueuePolicy("q", max_attempts=7, max_running_per_key=1)}
    async with hooked_core(fresh_database, FIRST, policies=policies) as core:
        await core.enqueue(NewJob("q", "first", concurrency_key="k", payload="1"))
        (run,) = await core.claim("q", ["first"])
        changes = core.active.term.changes
        before = changes.last
        waiting = asyncio.create_task(core.claim("q", ["next"], wait=60))
        assert await core.complete(run) is OutcomeStatus.COMMITTED
        (followed,) = await asyncio.wait_for(waiting, 30)
        assert core.rows(NEXT) == [("system", "user:ada", 7, "k", 7, '{"after": 1}', True)]
        told = [(each.job_id, each.state) for each in await anext(changes.read(before))]
        assert told[:2] == [(run.job.id, State.SUCCEEDED), (followed.job.id, State.PENDING)]
        assert await core.complete(followed) is OutcomeStatus.COMMITTED


async def test_every_end_may_have_a_follow_up(fresh_database: str):
    policies = {"q": QueuePolicy("q", cancel=CancelMode.NOW)}
    final, again = RunError("BROKEN", "it broke", False), RunError("BROKEN", "it broke", True)
    ends = [Completed("null"), Failed(final), Failed(again, 60.0), Snoozed(60.0), Released()]
    async with hooked_core(fresh_database, FIRST, policies=policies) as core:
        await core.enqueue(*(NewJob("q", "first", payload=str(number)) for number in range(6)))
        runs = {str(run.job.payload): run for run in await core.claim("q", ["first"], most=6)}
        for number, end in enumerate(ends):
            assert await core.end(runs[str(number)], end) is OutcomeStatus.COMMITTED
        await core.cancel(runs["5"].job.id)
        assert core.rows(AFTER) == [(str(number),) for number in range(6)]


async def test_a_hook_that_raises_or_wants_what_cannot_be_stored_stores_none_and_fails_its_own_job(fresh_database: str):
    async def on_end(_connection: AsyncConnection, job: LiveJob, _policy: QueuePolicy, end: RunEnd) -> RunEnd:
        if end.state is State.FAILED:
            return end
        good = NewJob("q", "next", payload=f'{{"after":{job.payload}}}')
        wanted = replace(end, follow_ups=(good, UNSTORABLE.get(str(job.payload), good)))
        if job.payload == '"raise"':
            raise KeyError("after all")
        return wanted

    async with hooked_core(fresh_database, KindHooks("told", accept, on_end=on_end)) as core:
        payloads = ['"good"', *UNSTORABLE, '"raise"']
        await core.enqueue(*(NewJob("q", "told", payload=payload) for payload in payloads))
        runs = await core.claim("q", ["told"], most=10)
        await asyncio.gather(*map(core.complete, runs))
        refused = [(payload, "failed", "RESULT_REJECTED") for payload in payloads[1:]]
        assert core.rows(STATES) == [('"good"', "succeeded", None), *refused]
        assert core.rows(AFTER) == [("good",), ("good",)]
        assert len(await core.claim("q", ["next"], most=10)) == 2


async def test_a_group_that_is_refused_and_tried_one_by_one_stores_each_follow_up_once(fresh_database: str):
    calls: list[str] = []

    async def on_end(_connection: AsyncConnection, job: LiveJob, _policy: QueuePolicy, end: RunEnd) -> RunEnd:
        calls.append(str(job.payload))
        return replace(end, follow_ups=(NewJob("q", "next", payload=f'{{"after":{job.payload}}}'),))

    async def on_retry(_connection: AsyncConnection, _job: LiveJob) -> None:
        raise Forbidden("not again")

    kinds = KindHooks("told", accept, on_end=on_end), KindHooks("stubborn", accept, on_retry=on_retry)
    async with hooked_core(fresh_database, *kinds) as core:
        (stubborn,) = await core.enqueue(NewJob("q", "stubborn"))
        await core.fail((await core.claim("q", ["stubborn"]))[0], retryable=False)
        await core.enqueue(*(NewJob("q", "told", payload=str(number)) for number in range(4)))
        runs = await core.claim("q", ["told"], most=4)
        ends = asyncio.gather(*map(core.complete, runs))
        refused = asyncio.create_task(core.retry(stubborn))
        assert set(await ends) == {OutcomeStatus.COMMITTED}
        with pytest.raises(Forbidden):
            await refused
        assert sorted(calls) == sorted("01230123"), "the group was refused once, or this test shows nothing"
        assert core.rows(AFTER) == [("0",), ("1",), ("2",), ("3",)]
        assert len(await core.claim("q", ["next"], most=10)) == 4


async def test_a_service_that_is_killed_leaves_an_end_with_its_follow_up_or_neither(
    fresh_database: str, tmp_path: Path
):
    rows = "SELECT kind, state FROM jobline.jobs ORDER BY kind"
    assert killed_at("finish.before_commit", fresh_database, tmp_path) == -9
    async with hooked_core(fresh_database, FIRST) as core:
        assert core.rows(rows) == [("first", "running")]
        (job,) = core.active.dispatcher.jobs.values()
        await core.delete(job.id)
    assert killed_at("finish.after_commit", fresh_database, tmp_path) == -9
    async with hooked_core(fresh_database, FIRST) as core:
        assert core.rows(rows) == [("first", "succeeded"), ("next", "pending")]
        (run,) = await core.claim("q", ["next"])
        assert await core.complete(run) is OutcomeStatus.COMMITTED
