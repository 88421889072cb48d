"""F18: a transaction stays open while work goes on. See also test_server_slow_clients (F10), test_server_storm (F11)."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import psycopg

from jobline.client import AsyncJoblineClient
from support.eventually import eventually
from support.invariants import Evidence, violations
from support.queue_service import execute, queue_service
from support.steady import Handled, all_ended, connected, steady_worker


async def test_f18_an_open_snapshot_does_not_slow_down_claims(fresh_database: str, tmp_path: Path):
    """Vacuum can remove nothing meanwhile; the dispatcher does not look at dead rows, so it does not matter to it."""
    handled = Handled()
    with queue_service(fresh_database, tmp_path) as service, psycopg.connect(fresh_database) as holder:
        holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        holder.execute("SELECT count(*) FROM jobline.jobs")
        async with (
            AsyncJoblineClient(service.address, service.operator_token) as client,
            steady_worker([service.address], handled, queues={"test": 8}),
        ):
            await connected(client)
            waits = [await wait_of(client, handled, number) for number in range(60)]
            for _ in range(10):
                await asyncio.gather(*(client.enqueue("test", "test") for _ in range(300)))
            await all_ended(fresh_database)
            late = [await wait_of(client, handled, number) for number in range(60)]
        dead = "SELECT count(*) FROM jobline.jobs WHERE state = 'succeeded'"
        assert execute(fresh_database, dead) == [(3120,)]
        holder.rollback()
    assert usual(late[10:]) < 2 * usual(waits[10:]) + 0.005
    assert service.faults == []
    assert violations(Evidence.read(fresh_database), drained=True) == []


def usual(waits: list[float]) -> float:
    """What a wait takes when nobody else keeps the machine busy, as they may in one half of the test and not in the other.

    What dead rows cost, every claim would pay: also the fastest tenth of them."""
    return sorted(waits)[len(waits) // 10]


async def wait_of(client: AsyncJoblineClient, handled: Handled, number: int) -> float:
    """Seconds from an enqueue to its handler."""
    started = time.monotonic()
    job = await client.enqueue("test", "test", number)

    def ran() -> bool:
        return any(job_id == job.id for job_id, _, _ in handled.intervals[-1:])

    await eventually(ran, what="the job has run")
    return handled.intervals[-1][1] - started
