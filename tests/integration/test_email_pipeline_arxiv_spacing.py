"""At least three seconds between two requests to arXiv, system-wide: here with gaps of a fraction of that."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
import uuid
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from jobline_worker.providers.arxiv.spacing import ARXIV_GAP_SECONDS, RequestSpacing
from support.eventually import eventually
from support.provider_servers import refused_url

GAP = 0.3


@contextlib.asynccontextmanager
async def spacings(url: str, count: int) -> AsyncIterator[list[RequestSpacing]]:
    """As many spacings with connections of their own, as many worker processes have."""
    key = f"test:{uuid.uuid4()}"
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Redis.from_url(url)) for _ in range(count)]
        yield [RequestSpacing(client, key, GAP, longest_request=2.0) for client in clients]


async def take_turns(spacing: RequestSpacing, times: int, turns: list[tuple[float, float]]) -> None:
    for _ in range(times):
        async with spacing.turn():
            began = time.monotonic()
            await asyncio.sleep(0)
            turns.append((began, time.monotonic()))


def gaps(turns: list[tuple[float, float]]) -> list[float]:
    ordered = sorted(turns)
    return [later[0] - earlier[1] for earlier, later in itertools.pairwise(ordered)]


def test_the_gap_in_production_is_at_least_three_seconds() -> None:
    assert ARXIV_GAP_SECONDS >= 3.0


async def test_requests_of_several_workers_keep_the_gap_between_the_end_of_one_and_the_start_of_the_next(
    redis_url: str,
) -> None:
    turns: list[tuple[float, float]] = []
    async with spacings(redis_url, 3) as workers:
        await asyncio.gather(*(take_turns(worker, 2, turns) for worker in workers))
    assert len(turns) == 6
    assert min(gaps(turns)) >= GAP - 0.01


async def test_a_worker_that_dies_in_its_turn_delays_the_others_only_until_the_turn_expires(redis_url: str) -> None:
    turns: list[tuple[float, float]] = []
    async with Redis.from_url(redis_url) as client:
        key = f"test:{uuid.uuid4()}"
        await client.set(key, "a dead worker's", px=400)
        await take_turns(RequestSpacing(client, key, GAP), 1, turns)
    assert len(turns) == 1


async def test_a_turn_that_is_given_up_still_keeps_the_gap_to_the_next(redis_url: str) -> None:
    turns: list[tuple[float, float]] = []
    async with spacings(redis_url, 2) as (first, second):
        entered = asyncio.Event()

        async def never_ends() -> None:
            async with first.turn():
                entered.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(never_ends())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        ended = time.monotonic()
        await asyncio.wait_for(take_turns(second, 1, turns), 1.5)
    assert turns[0][0] - ended >= GAP - 0.05


async def test_without_redis_a_process_keeps_the_gap_by_itself_and_logs_that_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Covers F15."""
    turns: list[tuple[float, float]] = []
    async with Redis.from_url(refused_url().replace("http", "redis"), socket_connect_timeout=0.5) as client:
        spacing = RequestSpacing(client, gap=0.1)
        with caplog.at_level(logging.WARNING):
            await asyncio.gather(*(take_turns(spacing, 1, turns) for _ in range(3)))
    assert min(gaps(turns)) >= 0.09
    assert len([record for record in caplog.records if "Redis is not reachable" in record.message]) == 1


async def test_a_turn_cannot_be_had_while_another_process_holds_it(redis_url: str) -> None:
    turns: list[tuple[float, float]] = []
    async with spacings(redis_url, 2) as (first, second), first.turn():
        waiting = asyncio.create_task(take_turns(second, 1, turns))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 0.2)
        assert turns == []
    await eventually(waiting.done)
