"""Errands in the test's own process, and the jobs they are sent for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from jobline.client import AsyncJoblineClient, Job
from jobline.worker import ErrandRunner
from support.gated_pipelines import GatePipeline
from support.queue_service import QueueServiceUnderTest

__all__ = ["enqueue", "errands", "job_of", "open_gate", "states", "states_are"]


@asynccontextmanager
async def errands(
    address: str | list[str], *pipelines: object, drain_timeout: float = 5.0
) -> AsyncIterator[ErrandRunner]:
    async with ErrandRunner(
        address, QueueServiceUnderTest.worker_token, pipelines=pipelines, drain_timeout=drain_timeout
    ) as runner:
        yield runner


async def enqueue(
    client: AsyncJoblineClient, count: int, kind: str = "gate", owner: str = "", queue: str = "test"
) -> list[str]:
    return [(await client.enqueue(queue, kind, number, owner=owner)).id for number in range(count)]


async def states(client: AsyncJoblineClient, ids: list[str]) -> list[str]:
    return [(await client.get(job_id)).job.state.value for job_id in ids]


async def job_of(client: AsyncJoblineClient, job_id: str) -> Job:
    return (await client.get(job_id)).job


def open_gate() -> GatePipeline:
    gate = GatePipeline()
    gate.open.set()
    return gate


async def states_are(client: AsyncJoblineClient, ids: list[str], state: str) -> bool:
    return set(await states(client, ids)) == {state}
