"""Credits when services and workers are killed: a used one for each post, and none that a dead run still holds."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from jobline.client import AsyncJoblineClient, NewJob
from support.eventually import eventually
from support.generation_jobs import CREDITS, KIND, POSTS, QUEUE, RESULT, payload
from support.invariants import Evidence, Limit, violations
from support.queue_calls import Calls
from support.queue_service import QueueServiceUnderTest, execute
from support.steady import all_ended

JOBS, PAID = 12, 5
POLICIES = f"""
[queues.{QUEUE}]
lease = "3s"
receipt = "2s"
"""
TEXT = json.loads(payload())
#: Where each life of the service ends; the last one goes on.
DEATHS = ("finish.after_commit=kill@3", "claim.after_commit=kill", "finish.before_commit=kill@3", "")
LOST = "SELECT id::text FROM jobline.jobs WHERE state = 'failed' AND error_code <> 'INSUFFICIENT_CREDITS'"
ENDS = "SELECT coalesce(error_code, state), count(*) FROM jobline.jobs GROUP BY 1"


@pytest.fixture
def service(fresh_database: str, tmp_path: Path) -> Iterator[QueueServiceUnderTest]:
    """Not started; killed at the end."""
    made = QueueServiceUnderTest(fresh_database, tmp_path, POLICIES)
    yield made
    made.kill()


@contextlib.contextmanager
def writers(service: QueueServiceUnderTest, count: int) -> Iterator[None]:
    """Workers that write the same text for everybody, and say each thing once: what is not answered is not repeated."""
    stop = threading.Event()

    def work() -> None:
        with Calls(service.address, service.worker_token) as calls:
            while not stop.is_set():
                with contextlib.suppress(grpc.RpcError):
                    for run in calls.claim(QUEUE, kinds=[KIND], wait=0.2):
                        calls.complete(run, RESULT)

    with ThreadPoolExecutor(count) as pool:
        for _ in range(count):
            pool.submit(work)
        try:
            yield
        finally:
            stop.set()


def told(service: QueueServiceUnderTest, user: str) -> tuple[int, dict[str, int]]:
    """How many posts there are, and the credits by status."""
    ((posts, jobs),) = service.execute(POSTS, user)
    assert posts == jobs, "one post a job"
    return int(posts), dict(service.execute(CREDITS, user))


async def test_kills_of_services_and_workers_cost_and_give_no_credit(service: QueueServiceUnderTest):
    user = f"user-{uuid.uuid4()}"
    execute(service.database_url, "INSERT INTO users (id) VALUES (%s)", user)
    jobs = [NewJob(QUEUE, KIND, TEXT, owner=f"user:{user}") for _ in range(JOBS)]
    async with AsyncJoblineClient(service.address, service.operator_token, deadline=60.0) as client:
        service.start(JOBLINE_FAILPOINTS=DEATHS[0])
        await client.grant_credits(user, PAID)
        stored = [await client.enqueue_many(jobs)]
        with Calls(service.address, service.worker_token) as doomed:
            # By a worker that is never heard of again.
            await asyncio.to_thread(doomed.claim_one, QUEUE, kind=KIND)
        with writers(service, 3):
            storing = []
            for death, next_death in itertools.pairwise(DEATHS):
                await eventually(lambda: service.process and service.process.returncode == -9, within=30, what=death)
                service.start(wait=False, JOBLINE_FAILPOINTS=next_death)
                # Work for each life, stored whether it ends meanwhile or not.
                storing.append(asyncio.create_task(client.enqueue_many(jobs)))
            stored += await asyncio.gather(*storing)
            await all_ended(service.database_url)
            posts, credits = told(service, user)
            assert credits == {key: n for key, n in {"active": PAID - posts, "used": posts}.items() if n}
            ends = dict(service.execute(ENDS))
            assert set(ends) <= {"succeeded", "INSUFFICIENT_CREDITS", "WORKER_LOST"}, ends
            assert ends["WORKER_LOST"] >= 1
            while lost := service.execute(LOST):
                for (job_id,) in lost:
                    await client.retry(job_id)
                await all_ended(service.database_url)
    ids = [job.id for batch in stored for job in batch]
    assert dict(service.execute(ENDS)) == {"succeeded": PAID, "INSUFFICIENT_CREDITS": len(ids) - PAID}
    assert told(service, user) == (PAID, {"used": PAID})
    evidence = Evidence.read(service.database_url)
    assert violations(evidence, acknowledged=ids, limits={QUEUE: Limit(max_running=3)}, drained=True) == []
