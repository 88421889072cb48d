"""F15: Redis is flushed, paused or gone in the middle of a run. Nothing of the queue lies there; only the pace of requests.

The queue service does not know Redis at all; what workers ask it for is a turn at a public API (see also
test_email_pipeline_arxiv_spacing.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio import Redis

from jobline.client import AsyncJoblineClient
from jobline.worker import Json, Run, Worker, pipeline
from jobline_worker.providers.arxiv.spacing import RequestSpacing
from support.eventually import eventually
from support.invariants import Evidence, violations
from support.queue_service import QueueServiceUnderTest, queue_service
from support.steady import all_ended, enqueue_all
from support.tcp_proxy import TcpProxy, tcp_proxy

GAP = 0.02
JOBS = 60


@contextlib.asynccontextmanager
async def spaced_worker(service: QueueServiceUnderTest, redis: Redis, begun: list[str]) -> AsyncIterator[None]:
    """Every job waits for its turn, as a request to arXiv does."""
    spacing = RequestSpacing(redis, f"test:{uuid.uuid4()}", GAP, longest_request=2.0)

    @pipeline("test")
    async def ask(run: Run) -> Json:
        async with spacing.turn():
            begun.append(run.id)
        return None

    worker = Worker(service.address, service.worker_token, queues={"test": 2}, pipelines=[ask])
    life = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await asyncio.wait_for(life, 20)


async def more(begun: list[str]) -> None:
    """Waits until work goes on."""
    seen = len(begun)
    await eventually(lambda: len(begun) >= min(JOBS, seen + 5), within=15, what="work goes on")


async def test_f15_redis_flushed_paused_and_gone_costs_no_job(fresh_database: str, redis_url: str, tmp_path: Path):
    begun: list[str] = []
    parts = urlsplit(redis_url)
    async with tcp_proxy(f"{parts.hostname}:{parts.port}") as link:
        host = parts.netloc.replace(f":{parts.port}", f":{link.address.rpartition(':')[2]}")
        with queue_service(fresh_database, tmp_path) as service:
            async with (
                AsyncJoblineClient(service.address, service.operator_token) as client,
                Redis.from_url(urlunsplit(parts._replace(netloc=host)), socket_timeout=1.0) as through,
                Redis.from_url(redis_url) as direct,
                spaced_worker(service, through, begun),
            ):
                ids = await enqueue_all(client, JOBS)
                await more(begun)
                await direct.flushall()
                await more(begun)
                await direct.client_pause(400)
                await more(begun)
                await gone_for_a_while(link, begun)
                await all_ended(fresh_database)
            assert service.faults == []
    evidence = Evidence.read(fresh_database)
    assert violations(evidence, acknowledged=ids, drained=True) == []
    assert {(job.state, job.attempt) for job in evidence.jobs.values()} == {("succeeded", 1)}
    assert sorted(begun) == sorted(ids)


async def gone_for_a_while(link: TcpProxy, begun: list[str]) -> None:
    link.refuse()
    await more(begun)
    link.heal()
    await more(begun)
