"""F2: the active queue service is killed at an exact moment, while a standby waits. Checks I1-I5, I7, I13.

The moments are failpoints. Whatever was committed and not told, or decided and not committed, the workers' session and the
producers' request ids sort it out with the standby: every job is done, by one handler, in one run.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from jobline.client import AsyncJoblineClient
from support.eventually import eventually, eventually_blocking
from support.invariants import Evidence, Limit, violations
from support.queue_service import QueueServiceUnderTest
from support.stack import Databases
from support.steady import Handled, all_ended, enqueue_all, steady_worker

POLICIES = """
[queues.test]
lease = "30s"
receipt = "30s"
[queues.pair]
max_running = 2
lease = "30s"
receipt = "30s"
"""
JOBS = 40
QUEUES = {"test": 3, "pair": 3}
MOMENTS = [f"{act}.{when}_commit" for act in ("enqueue", "claim", "finish") for when in ("before", "after")]
#: Most claims ride along with an enqueue or an outcome.
HIT = {"claim.before_commit": 1, "claim.after_commit": 1}


@pytest.fixture(scope="module")
def database(databases: Databases) -> Iterator[str]:
    with databases.fresh() as url:
        yield url


@contextlib.asynccontextmanager
async def client_of(*services: QueueServiceUnderTest) -> AsyncIterator[AsyncJoblineClient]:
    addresses = [service.address for service in services]
    async with AsyncJoblineClient(addresses, services[0].operator_token, deadline=30.0) as client:
        yield client


@contextlib.contextmanager
def services(database: str, folder: Path, *failpoints: str) -> Iterator[list[QueueServiceUnderTest]]:
    """One service for each setting; the first is active, the others are its standbys."""
    started: list[QueueServiceUnderTest] = []
    try:
        for setting in failpoints:
            service = QueueServiceUnderTest(database, folder, POLICIES, JOBLINE_FAILPOINTS=setting)
            started.append(service)
            service.start(wait=len(started) == 1)
        for standby in started[1:]:
            eventually_blocking(lambda standby=standby: "listening on" in standby.log, within=20)
        yield started
    finally:
        for service in started:
            service.kill()


async def died(service: QueueServiceUnderTest) -> None:
    assert service.process is not None
    await eventually(lambda: service.process and service.process.returncode is not None, within=20)
    assert service.process.returncode == -9


@pytest.mark.parametrize("moment", MOMENTS)
async def test_f2_a_kill_at_any_moment_of_a_commit_loses_and_doubles_nothing(
    database: str, tmp_path: Path, moment: str
):
    handled = Handled()
    with services(database, tmp_path, f"{moment}=kill@{HIT.get(moment, 3)}", "") as (active, standby):
        addresses = [active.address, standby.address]
        async with client_of(active, standby) as client, steady_worker(addresses, handled, queues=QUEUES):
            batches = await asyncio.gather(*(enqueue_all(client, JOBS, queue) for queue in QUEUES))
            ids = [job_id for batch in batches for job_id in batch]
            await died(active)
            await all_ended(database)
    evidence = Evidence.read(database)
    assert violations(evidence, acknowledged=ids, limits={"pair": Limit(max_running=2)}, drained=True) == []
    assert {evidence.jobs[job_id].state for job_id in ids} == {"succeeded"}
    assert {evidence.jobs[job_id].attempt for job_id in ids} == {1}
    assert handled.again() == {}, "each job was handled once"
    assert set(handled.runs) == set(ids), "nothing was stored that was not asked for"


TAKE_OVER = ("take_over.locked", "take_over.writers_locked", "take_over.raised", "take_over.before_load")


async def test_f2_kills_in_the_middle_of_a_hand_over_and_of_every_take_over_after_it(database: str, tmp_path: Path):
    """Five services die one after the other, none of them idle; the sixth finds everything as it was."""
    handled = Handled()
    last = QueueServiceUnderTest(database, tmp_path, POLICIES)
    armed = ["hand_over.drained=kill", *(f"{point}=kill" for point in TAKE_OVER)]
    with contextlib.ExitStack() as stack:
        started = stack.enter_context(services(database, tmp_path, *armed))
        stack.callback(last.kill)
        # Those between never get as far as to serve anybody.
        addresses = [started[0].address, last.address]
        async with (
            client_of(started[0], last) as client,
            steady_worker(addresses, handled, queues=QUEUES, seconds=0.05),
        ):
            ids = await enqueue_all(client, JOBS, "pair")
            await eventually(lambda: len(handled.runs) > 3, what="work is under way")
            assert started[0].process is not None
            started[0].process.send(signal.SIGTERM)
            for service in started:
                await died(service)
            last.start(wait=False)
            await all_ended(database)
    evidence = Evidence.read(database)
    assert violations(evidence, acknowledged=ids, limits={"pair": Limit(max_running=2)}, drained=True) == []
    assert {(evidence.jobs[job_id].state, evidence.jobs[job_id].attempt) for job_id in ids} == {("succeeded", 1)}
    assert handled.again() == {}
    assert set(handled.runs) == set(ids)
