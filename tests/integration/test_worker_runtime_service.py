"""`jobline-worker serve` as a process, beside the real queue service."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobline.client import AsyncJoblineClient, JobState
from support.eventually import eventually, eventually_blocking
from support.queue_service import QueueServiceUnderTest, queue_service
from support.worker_service import WorkerService, submit


@pytest.fixture
def service(fresh_database: str, tmp_path: Path) -> Iterator[QueueServiceUnderTest]:
    """A service of the test's own: the worker service serves the e-mail queue, and no other test's items."""
    with queue_service(fresh_database, tmp_path) as running:
        yield running


async def test_the_worker_service_answers_health_checks_writes_e_mails_and_leaves_in_order(
    service: QueueServiceUnderTest, tmp_path: Path
):
    worker = WorkerService(service.address, service.worker_token, tmp_path)
    try:
        await asyncio.to_thread(eventually_blocking, worker.is_healthy, within=30)
        async with AsyncJoblineClient(service.address, service.operator_token) as client:
            item = await asyncio.to_thread(submit, service)

            async def done() -> bool:
                return (await client.get(item)).job.state.is_terminal

            await eventually(done, within=60)
            details = await client.get(item)
            assert details.job.state is JobState.SUCCEEDED, details.job.error
            assert "generate_email" in (await client.list_workers())[0].kinds
            assert await asyncio.to_thread(worker.stop) == 0
            assert await client.list_workers() == ()
    finally:
        worker.kill()
    assert service.worker_token not in worker.errors.read_text()


def test_a_missing_setting_is_named_and_ends_the_start_with_2(tmp_path: Path):
    worker = WorkerService("", "", tmp_path)
    assert worker.wait() == 2
    assert "JOBLINE_QUEUE_ADDRESS" in worker.errors.read_text()


def test_a_token_that_is_not_known_ends_the_worker_with_1(service: QueueServiceUnderTest, tmp_path: Path):
    worker = WorkerService(service.address, "nobody-has-this-token", tmp_path)
    assert worker.wait() == 1
    assert "nobody-has-this-token" not in worker.errors.read_text()
