"""A stranger's transaction holds locks on rows, as psql does between BEGIN and COMMIT: who wants these rows waits or is told
to come again, everybody else goes on, and the term lives through it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import AsyncConnection

from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.new_job import NewJob
from jobline_queue.core.policy import QueuePolicy
from jobline_queue.dispatch.hooks import KindHooks
from jobline_queue.dispatch.session import OutcomeStatus
from support.communications import KIND, QUEUE, Business, new_message
from support.eventually import eventually, eventually_blocking
from support.hooked_core import HookedCore, accept, hooked_core
from support.queue_calls import Calls, RawWorker, new_job, refused
from support.queue_service import QueueServiceUnderTest, queue_service

ROWS = "SELECT FROM jobline.jobs WHERE owner = %s FOR UPDATE"
#: Behind one lock wait, and this for everything that comes upon locks after it. Without bounds it is the stranger's patience.
SOON = 8.0


@pytest.fixture
def service(fresh_database: str, tmp_path: Path) -> Iterator[QueueServiceUnderTest]:
    with queue_service(fresh_database, tmp_path) as running:
        yield running
        assert running.execute("SELECT epoch FROM jobline.epoch") == [(1,)], "the term went on"
        assert running.faults == []


@pytest.fixture
def business(service: QueueServiceUnderTest) -> Iterator[Business]:
    made = Business(service)
    yield made
    made.close()


@pytest.fixture
def calls(service: QueueServiceUnderTest) -> Iterator[Calls]:
    with Calls(service.address, service.operator_token) as opened:
        yield opened


@contextlib.contextmanager
def stranger(database_url: str, statement: str, *parameters: object) -> Iterator[None]:
    """An open transaction after this statement; rolled back at the end."""
    with psycopg.connect(database_url) as connection:
        connection.execute(statement.encode(), parameters)
        yield
        connection.rollback()


# ---- enqueue ------------------------------------------------------------------------------------------------------------


def test_an_open_delete_of_a_business_refuses_its_new_messages_and_no_other_job(
    service: QueueServiceUnderTest, business: Business, calls: Calls
):
    other = Business(service)
    with ThreadPoolExecutor(24) as pool:
        with stranger(service.database_url, "DELETE FROM businesses WHERE id = %s", business.id):
            submits = [pool.submit(business.submit, new_message()) for _ in range(24)]
            begun = time.monotonic()
            for _ in range(3):
                calls.enqueue(new_job("test"), new_job("test", owner=business.owner))
                other.send()
            assert time.monotonic() - begun < SOON
            for submit in submits:
                with refused("DATABASE_UNAVAILABLE"):
                    submit.result()
        assert business.status(business.send().id) == "pending"
    assert service.execute("SELECT count(*) FROM jobline.jobs WHERE owner = %s", business.owner) == [(4,)]
    other.close()


# ---- claims -------------------------------------------------------------------------------------------------------------


def test_messages_whose_rows_are_locked_are_passed_over_and_claimed_when_they_are_free(
    service: QueueServiceUnderTest, business: Business, calls: Calls
):
    other = Business(service)
    locked = {message.id for message in business.submit(*(new_message() for _ in range(25)))}
    free = {message.id for message in other.submit(new_message(), new_message())}
    (plain,) = calls.enqueue(new_job("test"))
    with stranger(service.database_url, ROWS, business.owner):
        worker = RawWorker(calls, QUEUE, "test", kinds=(KIND, "test"))
        worker.await_welcome()
        worker.capacity(50)
        assert {run.job_id for run in worker.await_jobs(3, within=SOON)} == {*free, plain}
        (reason,) = calls.explain(next(iter(locked))).waiting_for
        assert reason.code == "ROW_LOCKED"
        left = calls.claim_due(QUEUE, business.owner, kinds=[KIND]).due
        assert (left.pending, left.running) == (25, 0)
    done: set[str] = set()
    while not locked <= done:
        runs = [run for run in worker.assignments if run.job_id not in done]
        for run in runs:
            worker.outcome(run, completed={"result_json": '{"provider": "outbox", "message_id": "1"}'})
            worker.await_ack(run)
            done.add(run.job_id)
        eventually_blocking(lambda: locked <= done or len(worker.assignments) > len(done), what="the next ones")
    assert business.stats().completed == 25
    worker.cut()
    other.close()


# ---- ends ---------------------------------------------------------------------------------------------------------------


def test_ends_of_runs_whose_rows_are_locked_are_refused_and_others_do_not_wait_for_them(
    service: QueueServiceUnderTest, calls: Calls
):
    calls.enqueue(*(new_job("now", owner="user:locked") for _ in range(20)), new_job("now", owner="user:free"))
    *locked, free = calls.claim("now", most=21)
    with ThreadPoolExecutor(20) as pool:
        with stranger(service.database_url, ROWS, "user:locked"):
            ends = [pool.submit(calls.complete, run) for run in locked]
            begun = time.monotonic()
            calls.complete(free)
            assert time.monotonic() - begun < SOON
            for end in ends:
                with refused("DATABASE_UNAVAILABLE"):
                    end.result()
            calls.report(locked[0], step="halfway")
            calls.enqueue(new_job("now"))
            calls.complete(calls.claim_one("now"))
        written = "SELECT state, step FROM jobline.jobs WHERE id = %s"
        row = [("running", "halfway")]
        eventually_blocking(lambda: service.execute(written, locked[0].job_id) == row, what="the progress is written")
        for run in locked:
            calls.complete(run)
    assert {calls.state(run.job_id) for run in (*locked, free)} == {"succeeded"}


# ---- the core, with hooks of the test's ---------------------------------------------------------------------------------


async def start(connection: AsyncConnection, job: LiveJob) -> None:
    await connection.execute(b"UPDATE diary SET pages = pages + 1 WHERE owner = %s", (job.owner,))


@pytest.fixture
async def core(fresh_database: str) -> AsyncIterator[HookedCore]:
    policies = {"one": QueuePolicy("one", max_running=1)}
    told, begun = KindHooks("told", accept, marks_claims=True), KindHooks("begun", accept, on_start=start)
    async with hooked_core(fresh_database, told, begun, policies=policies) as running:
        running.rows("CREATE TABLE diary AS SELECT owner, 0 AS pages FROM unnest(ARRAY['ann', 'ben']) owner")
        yield running
        assert running.active.term.epoch == 1


@contextlib.asynccontextmanager
async def locked_row(core: HookedCore, statement: str, *parameters: object) -> AsyncIterator[None]:
    async with await AsyncConnection.connect(core.database_url) as connection:
        await connection.execute(statement.encode(), parameters)
        yield
        await connection.rollback()


async def claimed(core: HookedCore, queue: str, kind: str, count: int) -> Sequence[str]:
    """The owners of the first jobs that are handed out, one call after the other."""
    return [run.job.owner for _ in range(count) for run in await core.claim(queue, [kind], wait=SOON)]


async def test_the_end_of_a_run_hands_its_slot_past_a_locked_row(core: HookedCore):
    _, second, third = await core.enqueue(*(NewJob("one", "told", owner=f"user:{n}") for n in range(3)))
    worker = core.stream("one", ["told"], room=1)
    await eventually(lambda: worker.outbox.assignments)
    async with locked_row(core, ROWS, "user:1"):
        assert await core.complete(worker.outbox.assignments[0]) is OutcomeStatus.COMMITTED
        await eventually(lambda: len(worker.outbox.assignments) == 2)
        assert worker.outbox.assignments[1].job.id == third
    await core.complete(worker.outbox.assignments[1])
    await eventually(lambda: len(worker.outbox.assignments) == 3)
    assert worker.outbox.assignments[2].job.id == second


async def test_a_hook_that_meets_a_lock_at_the_start_of_a_run_holds_back_this_run(core: HookedCore):
    owners = ("ann", "ben", "ann", "ben", "ben")
    await core.enqueue(*(NewJob("notes", "begun", owner=owner) for owner in owners), NewJob("else", "plain"))
    async with locked_row(core, "UPDATE diary SET pages = 9 WHERE owner = 'ann'"):
        worker = core.stream("notes", ["begun"], room=5)
        assert await claimed(core, "else", "plain", 1) == [""]
        await eventually(lambda: len(worker.outbox.assignments) == 3, within=SOON)
        assert {run.job.owner for run in worker.outbox.assignments} == {"ben"}
    await eventually(lambda: len(worker.outbox.assignments) == 5)
    assert core.rows("SELECT owner, pages FROM diary ORDER BY owner") == [("ann", 2), ("ben", 3)]
    assert len(core.rows("SELECT id FROM jobline.jobs WHERE kind = 'begun' AND state = 'running'")) == 5


async def test_the_end_of_a_run_does_not_wait_for_a_hook_that_meets_a_lock_at_the_start_of_the_next(core: HookedCore):
    await core.enqueue(*(NewJob("one", "begun", owner=owner) for owner in ("ben", "ann", "ben")))
    worker = core.stream("one", ["begun"], room=1)
    await eventually(lambda: worker.outbox.assignments)
    async with locked_row(core, "UPDATE diary SET pages = 9 WHERE owner = 'ann'"):
        assert await core.complete(worker.outbox.assignments[0]) is OutcomeStatus.COMMITTED
        await eventually(lambda: len(worker.outbox.assignments) == 2, within=SOON)
        assert worker.outbox.assignments[1].job.owner == "ben"


async def test_a_job_that_is_held_back_can_be_cancelled_once_its_row_is_free(core: HookedCore):
    (job_id,) = await core.enqueue(NewJob("one", "told", owner="user:1"))
    async with locked_row(core, ROWS, "user:1"):
        assert await core.claim("one", ["told"], wait=0.2) == []
        cancel = asyncio.create_task(core.cancel(job_id))
        await asyncio.wait([cancel], timeout=SOON)
        assert cancel.exception() is not None
    await core.cancel(job_id)
    assert core.rows("SELECT state FROM jobline.jobs") == [("cancelled",)]
    assert not core.active.dispatcher.held_back
