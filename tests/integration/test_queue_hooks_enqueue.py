"""`on_enqueue`: what a module adds to a job is stored with it or not at all, and what it refuses harms nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import psycopg
import pytest
import uuid_utils
from psycopg import AsyncConnection

from jobline_queue.core.errors import DatabaseUnavailable, IdempotencyConflict, InvalidField, NotActive, NotFound
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.new_job import NewJob
from jobline_queue.core.policy import QueuePolicy
from jobline_queue.dispatch.hooks import KindHooks
from support.eventually import eventually
from support.hooked_core import HookedCore, accept, hooked_core
from support.queue_service import execute

QUEUE = "notes"


def noted(payload: Any, **fields: Any) -> NewJob:
    return NewJob(QUEUE, "noted", payload=json.dumps(payload), **fields)


def plain(payload: Any = None, **fields: Any) -> NewJob:
    return NewJob(QUEUE, "plain", payload=json.dumps(payload), **fields)


async def note(connection: AsyncConnection, jobs: Sequence[LiveJob]) -> None:
    """Writes a row for each job, with its transaction; some payloads it does not like."""
    for job in jobs:
        payload = json.loads(job.payload or "null")
        statement = b"INSERT INTO notes VALUES (%s, %s, %s, pg_current_xact_id()::text)"
        await connection.execute(statement, (job.id, json.dumps(payload), len(jobs)))
        match payload:
            case "unwelcome":
                raise NotFound("business", "nobody")
            case "bug":
                raise KeyError(payload)
            case "bad statement":
                await connection.execute("SELECT 1 / 0")


@pytest.fixture
def database(fresh_database: str) -> str:
    execute(fresh_database, "CREATE TABLE notes (job_id uuid PRIMARY KEY, payload jsonb, together int, xid text)")
    return fresh_database


@pytest.fixture
async def core(database: str) -> AsyncIterator[HookedCore]:
    policies = {QUEUE: QueuePolicy(QUEUE, retention=0.0)}
    async with hooked_core(database, KindHooks("noted", accept, on_enqueue=note), policies=policies) as running:
        yield running


@contextlib.contextmanager
def nothing_is_stored(database: str) -> Iterator[None]:
    """Holds up every insert into jobs: what is enqueued meanwhile gathers."""
    with psycopg.connect(database) as connection:
        connection.execute("LOCK TABLE jobline.jobs IN SHARE MODE")
        yield


def an_insert_waits(database: str) -> bool:
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'jobline.jobs'::regclass"
    return execute(database, waiting) == [(1,)]


async def together(core: HookedCore, database: str, *calls: Sequence[NewJob]) -> list[list[str] | BaseException]:
    """What is said to calls that share a flush: they gather behind one that cannot be stored yet."""
    with nothing_is_stored(database):
        first = asyncio.create_task(core.enqueue(plain("first")))
        await eventually(lambda: an_insert_waits(database))
        rest = [asyncio.create_task(core.enqueue(*jobs)) for jobs in calls]
        await asyncio.sleep(0)
        assert not any(task.done() for task in [first, *rest])
    await first
    return await asyncio.gather(*rest, return_exceptions=True)


def stored(core: HookedCore) -> set[str]:
    return {row[0] for row in core.rows("SELECT id::text FROM jobline.jobs WHERE kind = 'noted'")}


def notes(core: HookedCore) -> dict[str, Any]:
    return dict(core.rows("SELECT job_id::text, payload FROM notes"))


async def test_the_hook_sees_the_new_jobs_of_its_kind_in_their_order(core: HookedCore):
    ids = await core.enqueue(noted("a"), plain(), noted({"b": 1}), noted("c"))
    rows = core.rows("SELECT job_id::text, payload, together FROM notes ORDER BY job_id")
    assert rows == [(ids[0], "a", 3), (ids[2], {"b": 1}, 3), (ids[3], "c", 3)]
    assert len(await core.claim(QUEUE, ["noted", "plain"], most=10)) == 4


async def test_the_rows_and_what_the_hook_writes_are_one_transaction(core: HookedCore):
    (job_id,) = await core.enqueue(noted("a"))
    same = "SELECT j.xmin = n.xmin FROM jobline.jobs j JOIN notes n ON n.job_id = j.id WHERE j.id = %s"
    assert core.rows(same, job_id) == [(True,)]


async def test_a_refusal_is_its_callers_alone_in_a_group_commit(core: HookedCore, database: str):
    calls = [[plain(number), noted(number), noted(number)] for number in range(10)]
    calls[3][2] = calls[7][1] = noted("unwelcome")
    answers = await together(core, database, *calls)
    refused = [number for number, answer in enumerate(answers) if isinstance(answer, NotFound)]
    assert refused == [3, 7]
    ids = {job_id for answer in answers if isinstance(answer, list) for job_id in answer}
    assert len(ids) == 8 * 3
    assert stored(core) == notes(core).keys() < ids
    assert core.rows("SELECT count(*) FROM jobline.jobs WHERE kind = 'plain'") == [(1 + 8,)]
    assert core.rows("SELECT count(DISTINCT xid) FROM notes") == [(1,)], "they shared a commit"
    assert {run.job.id for run in await core.claim(QUEUE, ["noted", "plain"], most=100)} > ids


async def test_a_bug_in_a_hook_fails_the_call_that_it_met_alone(core: HookedCore, database: str):
    answers = await together(
        core, database, [noted(1)], [noted("bug")], [noted("bad statement")], [plain()], [noted(2)]
    )
    assert [type(answer) for answer in answers] == [list, KeyError, InvalidField, list, list]
    assert sorted(notes(core).values()) == [1, 2]
    assert len(stored(core)) == 2


async def test_large_and_small_calls_with_and_without_a_hook_in_one_group(core: HookedCore, database: str):
    calls = [[plain(n) for n in range(50)], [noted(n) for n in range(50)], [noted(0)], [plain(0)]]
    calls += [[*(noted(n) for n in range(40)), noted("unwelcome")]]
    calls += [[noted(n)] for n in range(100)]
    answers = await together(core, database, *calls)
    assert [number for number, answer in enumerate(answers) if not isinstance(answer, list)] == [4]
    assert len(stored(core)) == len(notes(core)) == 50 + 1 + 100
    assert core.rows("SELECT count(*) FROM jobline.jobs") == [(1 + 51 + 151,)]


async def test_a_repeated_call_finds_its_jobs_and_runs_no_hook(core: HookedCore, database: str):
    request_id = str(uuid_utils.uuid7())
    first = await core.enqueue(noted("a"), noted("b"), request_id=request_id)
    again = await core.active.enqueuer.enqueue([noted("a"), noted("b")], "tests", request_id)
    assert [each.id for each in again] == first
    assert all(each.deduplicated for each in again)
    assert len(notes(core)) == 2


async def test_one_call_made_many_times_at_once_runs_its_hook_once(core: HookedCore):
    request_id = str(uuid_utils.uuid7())
    answers = await asyncio.gather(*(core.enqueue(noted("a"), plain(), request_id=request_id) for _ in range(20)))
    assert len({tuple(answer) for answer in answers}) == 1
    assert notes(core) == {answers[0][0]: "a"}


async def test_an_idempotency_key_runs_the_hook_for_its_first_holder_only(core: HookedCore, database: str):
    keyed = noted("a", idempotency_key="k")
    answers = await together(
        core, database, [noted("unwelcome"), keyed], [keyed, noted("own")], [keyed], [noted("b", idempotency_key="k")]
    )
    assert [type(answer) for answer in answers] == [NotFound, list, list, IdempotencyConflict]
    assert isinstance(answers[1], list)
    assert isinstance(answers[2], list)
    assert answers[1][0] == answers[2][0]
    assert notes(core) == {answers[1][0]: "a", answers[1][1]: "own"}


async def test_a_refused_call_can_be_made_again_under_its_request_id(core: HookedCore):
    request_id = str(uuid_utils.uuid7())
    core.rows("CREATE UNIQUE INDEX one_at_a_time ON notes ((payload))")
    await core.enqueue(noted("a"))
    with pytest.raises(InvalidField, match="23505"):
        await core.enqueue(noted("a"), request_id=request_id)
    core.rows("DELETE FROM notes")
    (job_id,) = await core.enqueue(noted("a"), request_id=request_id)
    assert notes(core) == {job_id: "a"}


async def test_a_connection_that_breaks_in_a_hook_leaves_nothing_half_done(database: str):
    waits, goes_on = asyncio.Event(), asyncio.Event()

    async def slow_note(connection: AsyncConnection, jobs: Sequence[LiveJob]) -> None:
        waits.set()
        await goes_on.wait()
        await note(connection, jobs)

    request_id = str(uuid_utils.uuid7())
    async with hooked_core(database, KindHooks("noted", accept, on_enqueue=slow_note)) as core:
        call = asyncio.create_task(core.enqueue(noted("a"), request_id=request_id))
        await waits.wait()
        core.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'jobline-queue enqueue'"
        )
        goes_on.set()
        with pytest.raises(DatabaseUnavailable):
            await call
        assert (stored(core), notes(core)) == (set(), {})

        async def call_again() -> list[str] | None:
            with contextlib.suppress(DatabaseUnavailable, NotActive):
                return await core.enqueue(noted("a"), request_id=request_id)
            return None

        (job_id,) = await eventually(call_again)
        assert notes(core) == {job_id: "a"}


async def test_what_a_hook_waits_for_is_not_handed_out(database: str):
    """A worker with room gets a hooked job after its commit, never before."""
    waits, goes_on = asyncio.Event(), asyncio.Event()

    async def slow_note(connection: AsyncConnection, jobs: Sequence[LiveJob]) -> None:
        waits.set()
        await goes_on.wait()

    async with hooked_core(database, KindHooks("noted", accept, on_enqueue=slow_note)) as core:
        worker = core.stream(QUEUE, ["noted"], room=5)
        call = asyncio.create_task(core.enqueue(noted("a")))
        await waits.wait()
        assert not worker.outbox.assignments
        assert core.rows("SELECT 1 FROM jobline.jobs") == []
        goes_on.set()
        (job_id,) = await call
        await eventually(lambda: [each.job.id for each in worker.outbox.assignments] == [job_id])


async def test_a_past_time_is_kept_where_the_kind_wants_it_and_nowhere_else(database: str):
    hooks = KindHooks("kept", accept, keeps_past_times=True)
    async with hooked_core(database, hooks) as core:
        kept = [NewJob(QUEUE, "kept", run_at=at) for at in (2_000.5, 1_000.25, None)]
        ids = await core.enqueue(*kept, *[NewJob(QUEUE, "plain", run_at=1.0)])
        many = await core.enqueue(*[NewJob(QUEUE, "kept", run_at=3_000.125)] * 40)
        times = dict(core.rows("SELECT id::text, extract(epoch FROM run_at)::float8 FROM jobline.jobs"))
        assert [times[each] for each in (ids[0], ids[1], *many)] == [2_000.5, 1_000.25, *[3_000.125] * 40]
        assert min(times[ids[2]], times[ids[3]]) > 1_000_000_000
        runs = await core.claim(QUEUE, ["kept", "plain"], most=100)
        assert [run.job.id for run in runs] == [ids[1], ids[0], *many, ids[2], ids[3]]
