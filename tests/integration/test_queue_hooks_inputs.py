"""Inputs and hooks: a kind looks at the values and sees the whole input as stored; what nobody took over is swept."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncEngine

from jobline_queue.core.errors import InvalidField, NotFound, TooLarge, invalid
from jobline_queue.core.job_input import InputPart
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.new_job import NewJob
from jobline_queue.dispatch.hooks import KindHooks
from jobline_queue.maintenance.input_sweeper import InputSweeper
from jobline_queue.rpc import input_staging
from jobline_queue.rpc.intake_input import store_job_with_input
from jobline_queue.store.engine import open_pool
from jobline_queue.store.job_inputs import JobInputs
from support.eventually import eventually
from support.hooked_core import HookedCore, accept, hooked_core
from support.queue_service import execute

QUEUE = "records"
REQUEST = "018f3e5c-0000-7000-8000-000000000001"
#: Chunks, and how the bad one is named.
BAD: list[tuple[tuple[Any, ...], str, str]] = [
    ((["a"], ["b", 1]), "chunks[1][1]", "records[2]"),
    ((["a"], '["b", "\\u0000"]'), "chunks[1]", "records[2]"),
    ((["a"], '["b", 1e999]'), "chunks[1]", "records[2]"),
    ((["a"], '["b", "c", {"a": "\\u0000", "a": 1}, "d", "\\u0000"]'), "chunks[1]", "records[3]"),
    ((["a"], json.dumps(["é" * 250_000, "b", "\0"], ensure_ascii=False)), "chunks[1]", "records[3]"),
    ((["a", "b"], '["b", ' + "[" * 70 + "]" * 71), "chunks[1]", "records[3]"),
    ((["a", "b"], "["), "chunks[1]", "records[2]"),
    ((["a", "b"], "[" * 100_000), "chunks[1]", "records[2]"),
    ((["a", "b"], "{}"), "chunks[1]", "records[2]"),
    ((["a", "b"], '{"a": "\\u0000"}'), "chunks[1]", "records[2]"),
    ((["a", "b"], "[]"), "chunks[1]", "records[2]"),
    ((), "chunks", "records"),
]


def check_input(values: list[Any], first: int, path: str) -> None:
    for number, value in enumerate(values, first):
        if not isinstance(value, str):
            raise invalid(f"{path}[{number}]", "expected a string")


async def on_enqueue(connection: AsyncConnection, jobs: Sequence[LiveJob]) -> None:
    """Writes down what it sees of the input."""
    for job in jobs:
        seen = b"""INSERT INTO seen SELECT id, input_items, (SELECT sum(items) FROM jobline.job_inputs WHERE job_id = id)
                   FROM jobline.jobs WHERE id = %s"""
        await connection.execute(seen, (job.id,))
        if job.payload == '"unwelcome"':
            raise NotFound("project", "p")


@pytest.fixture
async def core(fresh_database: str) -> AsyncIterator[HookedCore]:
    execute(fresh_database, "CREATE TABLE seen (job_id uuid, items bigint, stored bigint)")
    hooks = KindHooks("texts", accept, check_input=check_input, on_enqueue=on_enqueue, cancel_removes=True)
    async with hooked_core(fresh_database, hooks) as running:
        yield running


@pytest.fixture
async def pool(fresh_database: str) -> AsyncIterator[AsyncEngine]:
    engine = open_pool(fresh_database)
    yield engine
    await engine.dispose()


@pytest.fixture
def inputs(pool: AsyncEngine) -> JobInputs:
    return JobInputs(pool)


async def store(
    core: HookedCore, inputs: JobInputs, *chunks: Any, payload: str = "{}", values: str = "", request_id: str = ""
) -> str:
    async def texts() -> AsyncIterator[str]:
        for chunk in chunks:
            yield chunk if isinstance(chunk, str) else json.dumps(chunk)

    job = NewJob(QUEUE, "texts", payload=payload)
    stored, _ = await store_job_with_input(core.core, inputs, job, texts(), "tests", request_id, values)
    return stored.id


def count(core: HookedCore, table: str) -> int:
    return int(core.rows(f"SELECT count(*) FROM {table}")[0][0])


async def test_the_hook_sees_the_whole_input_in_the_transaction_of_its_job(core: HookedCore, inputs: JobInputs):
    job_id = await store(core, inputs, ["a", "b"], ["c"])
    assert core.rows("SELECT job_id::text, items, stored FROM seen") == [(job_id, 3, 3)]
    same = (
        "SELECT count(DISTINCT x::text) FROM (SELECT xmin AS x FROM seen UNION SELECT xmin FROM jobline.job_inputs) t"
    )
    assert core.rows(same) == [(1,)], "parts and what the hook writes are one transaction"


async def test_a_job_that_the_hook_refuses_has_no_input_either(core: HookedCore, inputs: JobInputs):
    with pytest.raises(NotFound):
        await store(core, inputs, ["a"], payload='"unwelcome"')
    assert [count(core, table) for table in ("jobline.jobs", "jobline.job_inputs", "seen")] == [0, 0, 0]


async def test_a_bad_value_is_named_by_its_chunk_or_by_its_number_in_the_call(core: HookedCore, inputs: JobInputs):
    for chunks, by_chunk, by_value in BAD:
        for values, field in (("", by_chunk), ("records", by_value)):
            with pytest.raises(InvalidField) as refusal:
                await store(core, inputs, *chunks, values=values)
            assert [problem.field for problem in refusal.value.problems] == [field]
    assert count(core, "jobline.job_inputs") == 0


async def test_more_than_the_cap_in_all_is_too_large(
    core: HookedCore, inputs: JobInputs, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(input_staging, "MAX_INPUT_BYTES", 1000)
    with pytest.raises(TooLarge, match="records: expected at most 1000 bytes in all"):
        await store(core, inputs, ["x" * 500], ["x" * 500], values="records")
    assert await store(core, inputs, ["x" * 990])


async def test_an_input_that_finds_no_room_is_not_read_before_another_has_ended(core: HookedCore, pool: AsyncEngine):
    inputs = JobInputs(pool, at_once=1)
    begun: list[str] = []
    goes_on = asyncio.Event()

    async def store_slowly(name: str) -> None:
        async def chunks() -> AsyncIterator[str]:
            begun.append(name)
            yield json.dumps([name])
            await goes_on.wait()

        await store_job_with_input(core.core, inputs, NewJob(QUEUE, "texts"), chunks(), "tests", "")

    first, broken_off, last = [asyncio.create_task(store_slowly(name)) for name in ("first", "broken off", "last")]
    await eventually(lambda: begun == ["first"])
    broken_off.cancel()
    goes_on.set()
    await asyncio.gather(first, last)
    assert begun == ["first", "last"]


async def test_what_was_staged_an_hour_ago_and_never_used_is_swept(core: HookedCore, inputs: JobInputs):
    job_id = await store(core, inputs, ["used"])
    old, young = str(uuid.uuid4()), str(uuid.uuid4())
    for number in range(120):
        await inputs.stage(old, InputPart(number, number, 1, "[1]"))
    core.rows("UPDATE jobline.job_inputs SET staged_at = now() - interval '61 min' WHERE staged_at IS NOT NULL")
    await inputs.stage(young, InputPart(0, 0, 1, "[1]"))
    assert await InputSweeper(core.active.maintenance_store).run_once() == 120
    left = core.rows("SELECT DISTINCT job_id::text FROM jobline.job_inputs")
    assert {row[0] for row in left} == {job_id, young}


async def test_a_call_whose_parts_were_swept_meanwhile_stores_nothing(core: HookedCore, inputs: JobInputs):
    async def slowly() -> AsyncIterator[str]:
        yield json.dumps(["x" * 400_000])
        yield json.dumps(["y" * 400_000])
        core.rows("DELETE FROM jobline.job_inputs")

    with pytest.raises(InvalidField, match="within an hour"):
        await store_job_with_input(core.core, inputs, NewJob(QUEUE, "texts"), slowly(), "tests", "")
    assert [count(core, table) for table in ("jobline.jobs", "jobline.job_inputs", "seen")] == [0, 0, 0]


async def test_an_input_is_nobodys_once_its_job_is_gone_whichever_way_that_went(core: HookedCore, inputs: JobInputs):
    cancelled = await store(core, inputs, ["a"], request_id=REQUEST)
    await core.cancel(cancelled)
    await store(core, inputs, ["b"])
    (run,) = await core.claim(QUEUE, ["texts"])
    await core.complete(run)
    assert await core.active.pruner.apply_retention(QUEUE, 0.0) == 1
    assert await store(core, inputs, ["a"], request_id=REQUEST) == cancelled, (
        "the id is free, whatever waits for the sweep"
    )
    parts = (
        "SELECT job_id::text, data, staged_at IS NULL FROM jobline.job_inputs WHERE job_id = %s OR staged_at IS NULL"
    )
    assert core.rows(parts, cancelled) == [(cancelled, '["a"]', True)]
    assert await InputSweeper(core.active.maintenance_store).run_once() == 2
    assert count(core, "jobline.job_inputs") == 1
