"""Kinds whose rows are marked at the claim: the rows alone say what runs, from the first moment to the last."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, NamedTuple

import pytest

from jobline_queue.core.ending import Outcome, Released, Snoozed
from jobline_queue.core.new_job import NewJob
from jobline_queue.core.policy import CancelMode, QueuePolicy
from jobline_queue.dispatch.hooks import KindHooks
from jobline_queue.dispatch.session import Assignment, OutcomeStatus
from support.eventually import eventually
from support.hooked_core import HookedCore, accept, hooked_core

QUEUE, ONE = "marked", "one"
POLICIES = {
    QUEUE: QueuePolicy(QUEUE, cancel=CancelMode.NOW, receipt=0.5, max_attempts=5),
    ONE: QueuePolicy(ONE, max_running=1, cancel=CancelMode.NOW),
}
HOOKS = KindHooks("told", accept, first_step="first", marks_claims=True)
#: The row and the lease were written by one transaction.
ONE_TRANSACTION = """
SELECT j.state, j.attempt, j.worker, j.session_id = l.session_id, j.started_at = l.granted_at, j.step, j.xmin = l.xmin
FROM jobline.jobs j JOIN jobline.leases l ON j.id = ANY (l.job_ids) WHERE j.finished_at IS NULL ORDER BY j.seq
"""
MARKED = ("running", 1, "by-hand", True, True, "first", True)


class Row(NamedTuple):
    state: str
    attempt: int
    started_at: datetime | None
    error: str | None


@pytest.fixture
async def core(fresh_database: str) -> AsyncIterator[HookedCore]:
    async with hooked_core(fresh_database, HOOKS, policies=POLICIES) as running:
        yield running


def told(number: int = 0, queue: str = QUEUE) -> NewJob:
    return NewJob(queue, "told", payload=str(number))


def row(core: HookedCore, job_id: str) -> Row:
    columns = "SELECT state, attempt, started_at, error_message FROM jobline.jobs WHERE id = %s"
    return Row(*core.rows(columns, job_id)[0])


async def claim_one(core: HookedCore, queue: str = QUEUE) -> Assignment:
    (run,) = await core.claim(queue, ["told"])
    return run


# ---- claims -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("queue", [QUEUE, ONE])
async def test_the_row_is_marked_in_the_transaction_of_the_claim(core: HookedCore, queue: str):
    await core.enqueue(told(queue=queue))
    await claim_one(core, queue)
    assert core.rows(ONE_TRANSACTION) == [MARKED]


async def test_a_batch_is_marked_whole(core: HookedCore):
    await core.enqueue(*map(told, range(50)))
    assert len(await core.claim(QUEUE, ["told"], most=50)) == 50
    assert core.rows(ONE_TRANSACTION) == [MARKED] * 50


async def test_a_worker_that_waits_is_handed_new_jobs_with_their_rows_marked(core: HookedCore):
    worker = core.stream(QUEUE, ["told"], room=2)
    await core.enqueue(told())
    await eventually(lambda: worker.outbox.assignments)
    assert core.rows(ONE_TRANSACTION) == [MARKED]


async def test_the_next_job_of_a_limited_queue_is_marked_in_the_commit_that_ends_the_one_before(core: HookedCore):
    first, second = await core.enqueue(told(1, ONE), told(2, ONE))
    worker = core.stream(ONE, ["told"], room=1)
    await eventually(lambda: worker.outbox.assignments)
    (run,) = worker.outbox.assignments
    assert run.job.id == first
    assert await core.complete(run) is OutcomeStatus.COMMITTED
    await eventually(lambda: len(worker.outbox.assignments) == 2)
    assert core.rows(ONE_TRANSACTION) == [MARKED]
    same = "SELECT a.xmin = b.xmin FROM jobline.jobs a, jobline.jobs b WHERE a.id = %s AND b.id = %s"
    assert core.rows(same, first, second) == [(True,)]


@pytest.mark.parametrize("queue", [QUEUE, ONE])
async def test_a_job_whose_row_is_gone_is_not_handed_out_and_leaves_no_lease(core: HookedCore, queue: str):
    gone, second = await core.enqueue(told(1, queue), told(2, queue))
    core.rows("DELETE FROM jobline.jobs WHERE id = %s", gone)
    assert [run.job.id for run in await core.claim(queue, ["told"], most=2)] == [second]
    core.rows("DELETE FROM jobline.jobs")
    (third,) = await core.enqueue(told(3, queue))
    core.rows("DELETE FROM jobline.jobs WHERE id = %s", third)
    assert await core.claim(queue, ["told"], wait=0.2) == []
    assert core.rows("SELECT job_ids::text[] FROM jobline.leases") == [([second],)]


async def test_other_kinds_keep_their_rows_as_they_were_stored(core: HookedCore):
    await core.enqueue(NewJob("other", "plain"))
    (run,) = await core.claim("other", ["plain"])
    assert not run.job.marked
    assert core.rows(ONE_TRANSACTION)[0][6] is False


# ---- ways back ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [Released("shutdown"), Snoozed(0.0)], ids=["release", "snooze"])
@pytest.mark.parametrize("failed_before", [False, True])
async def test_a_run_that_does_not_count_leaves_the_row_as_after_the_last_that_did(
    core: HookedCore, outcome: Outcome, failed_before: bool
):
    (job_id,) = await core.enqueue(told())
    before = Row("pending", 0, None, None)
    if failed_before:
        await core.fail(await claim_one(core))
        before = row(core, job_id)
        assert before[:2] == ("pending", 1)
        assert before.started_at is not None
        assert before.error == "it broke"
    for _ in range(2):
        run = await claim_one(core)
        during = row(core, job_id)
        assert during[:2] == ("running", before.attempt + 1)
        assert during.started_at is not None
        assert await core.end(run, outcome) is OutcomeStatus.COMMITTED
        assert row(core, job_id) == before


@pytest.mark.parametrize("failed_before", [False, True])
async def test_a_delivery_that_never_arrived_began_no_attempt(core: HookedCore, failed_before: bool):
    (job_id,) = await core.enqueue(told())
    if failed_before:
        await core.fail(await claim_one(core))
    before = row(core, job_id)
    worker = core.stream(QUEUE, ["told"], room=1)
    await eventually(lambda: row(core, job_id).state == "running")
    await eventually(lambda: row(core, job_id) == before)
    assert worker.silent
    run = await claim_one(core)
    assert (run.attempt, row(core, job_id).attempt) == (before.attempt + 1, before.attempt + 1)


async def test_a_retry_by_hand_begins_anew_and_what_does_not_count_keeps_it_so(core: HookedCore):
    (job_id,) = await core.enqueue(told())
    for _ in range(2):
        await core.fail(await claim_one(core))
    await core.fail(await claim_one(core), retryable=False)
    assert row(core, job_id)[:2] == ("failed", 3)
    await core.retry(job_id)
    assert row(core, job_id) == Row("pending", 0, None, None)
    await core.end(await claim_one(core), Released())
    assert row(core, job_id) == Row("pending", 0, None, None)
    await core.fail(await claim_one(core))
    once = row(core, job_id)
    await core.end(await claim_one(core), Released())
    assert row(core, job_id) == once


async def test_a_cancelled_run_and_a_success_keep_their_own_start(core: HookedCore):
    cancelled, done = await core.enqueue(told(1), told(2))
    runs = await core.claim(QUEUE, ["told"], most=2)
    starts = [row(core, run.job.id).started_at for run in runs]
    await core.cancel(cancelled)
    assert await core.complete(runs[1]) is OutcomeStatus.COMMITTED
    assert row(core, cancelled) == Row("cancelled", 0, starts[0], None)
    assert row(core, done) == Row("succeeded", 1, starts[1], None)


async def test_a_term_that_takes_over_counts_marked_runs_once(fresh_database: str):
    async with hooked_core(fresh_database, HOOKS, policies=POLICIES) as core:
        (job_id,) = await core.enqueue(told())
        run = await claim_one(core)
    async with hooked_core(fresh_database, HOOKS, policies=POLICIES) as core:
        assert row(core, job_id)[:2] == ("running", 1)
        assert await core.complete(run) is OutcomeStatus.COMMITTED
        assert row(core, job_id)[:2] == ("succeeded", 1)


# ---- the history --------------------------------------------------------------------------------------------------------


async def test_each_attempt_has_an_id_of_its_own_and_says_when_its_run_was_due(core: HookedCore):
    (job_id,) = await core.enqueue(told())
    due: list[datetime] = []
    for _ in range(3):
        due += core.rows("SELECT run_at FROM jobline.jobs WHERE id = %s", job_id)[0]
        await core.fail(await claim_one(core), retry_after=0.01)
    await core.end(await claim_one(core), Released())
    await core.cancel(job_id)
    rows = core.rows(
        "SELECT entry_id::text, outcome, number, scheduled_at, scheduled_at <= started_at FROM jobline.attempts ORDER BY id"
    )
    assert [each[1:3] for each in rows] == [("failed", 1), ("failed", 2), ("failed", 3), ("released", 4)]
    assert [each[3] for each in rows[:3]] == due
    assert len(set(due)) == 3
    assert all(each[4] for each in rows)
    assert len({each[0] for each in rows}) == 4


def attempts(core: HookedCore) -> list[tuple[Any, ...]]:
    return core.rows("SELECT 1 FROM jobline.attempts")


@pytest.mark.parametrize("way", ["delete", "delete running", "cancel that removes", "prune"])
async def test_no_way_out_leaves_attempts_behind(fresh_database: str, way: str):
    hooks = KindHooks("told", accept, marks_claims=True, cancel_removes=True)
    policies = {QUEUE: QueuePolicy(QUEUE, retention=0.0)}
    async with hooked_core(fresh_database, hooks, policies=policies) as core:
        (job_id,) = await core.enqueue(told())
        await core.fail(await claim_one(core))
        assert len(attempts(core)) == 1
        match way:
            case "delete":
                await core.delete(job_id)
            case "delete running":
                await claim_one(core)
                await core.delete(job_id)
            case "cancel that removes":
                await core.cancel(job_id)
            case "prune":
                await core.complete(await claim_one(core))
                assert await core.active.pruner.apply_retention(QUEUE) == 1
        assert core.rows("SELECT 1 FROM jobline.jobs") == attempts(core) == []
