"""F2 for jobs with an input: the service is killed before the commit, and again while a worker reads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uuid_utils

from jobline.client import AsyncJoblineClient, NewJob
from support.eventually import eventually
from support.queue_calls import Calls
from support.queue_service import QueueServiceUnderTest, execute

QUEUE = "patient"
ITEMS: list[Any] = [f"{number}-{'x' * 100_000}" for number in range(60)]


@pytest.fixture
def service(fresh_database: str, tmp_path: Path) -> Iterator[QueueServiceUnderTest]:
    """Dies as soon as it has staged an input and is about to store the job."""
    service = QueueServiceUnderTest(fresh_database, tmp_path)
    service.start(JOBLINE_FAILPOINTS="enqueue.before_commit=kill")
    yield service
    service.kill()


async def test_f2_kills_before_the_commit_and_while_a_worker_reads_lose_and_double_nothing(
    service: QueueServiceUnderTest, fresh_database: str
):
    async with AsyncJoblineClient(service.address, service.operator_token, deadline=60.0) as client:
        request_id = str(uuid_utils.uuid7())
        upload = asyncio.create_task(client.enqueue_with_input(NewJob(QUEUE, "test"), ITEMS, request_id=request_id))
        await eventually(lambda: service.process and service.process.returncode is not None, within=30)
        rows = execute(fresh_database, "SELECT count(*), count(staged_at) FROM jobline.job_inputs")
        assert rows[0][0] == rows[0][1] > 1, "all of it is staged"
        assert execute(fresh_database, "SELECT count(*) FROM jobline.jobs") == [(0,)]
        await asyncio.to_thread(service.start)
        stored = await upload
        again = await client.enqueue_with_input(NewJob(QUEUE, "test"), iter(ITEMS), request_id=request_id)
        assert (again.id, again.deduplicated) == (stored.id, True)
        assert [job.id async for job in client.list_jobs()] == [stored.id]
        assert await _read_over_a_restart(service, client) == ITEMS


async def _read_over_a_restart(service: QueueServiceUnderTest, client: AsyncJoblineClient) -> list[Any]:
    with Calls(service.address, service.operator_token) as calls:
        run = calls.claim_one(QUEUE)
    found: list[Any] = []
    async for first, total, values in client.read_input(run.job_id, run.lease_token):
        if not found:
            await asyncio.to_thread(service.restart)
        assert (first, total) == (len(found), len(ITEMS))
        found += values
    return found
