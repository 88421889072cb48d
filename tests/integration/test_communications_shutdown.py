"""A worker service that has to leave while it hands a message over."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from jobline.v1 import queue_service_pb2
from jobline_worker.app import DRAIN_SECONDS
from jobline_worker.providers.messages import SEND_SECONDS
from support.communications import QUEUE, Business, status_of
from support.eventually import eventually, eventually_blocking
from support.mail_server import HOLD, MailServer, mail_server
from support.queue_service import QueueServiceUnderTest, queue_service
from support.worker_service import WorkerService

#: A worker that leaves without a word still holds its lease when its process has ended, also on a busy machine.
POLICIES = """
[queues.communications]
lease = "8s"
receipt = "8s"
backoff = ["0s"]
"""


@pytest.fixture
def service(fresh_database: str, tmp_path: Path) -> Iterator[QueueServiceUnderTest]:
    with queue_service(fresh_database, tmp_path, POLICIES) as running:
        yield running


@pytest.fixture
def business(service: QueueServiceUnderTest) -> Iterator[Business]:
    opened = Business(service)
    yield opened
    opened.close()


@asynccontextmanager
async def worker_process(
    service: QueueServiceUnderTest, server: MailServer, folder: Path
) -> AsyncIterator[WorkerService]:
    """`jobline-worker serve`, which sends e-mails through the server."""
    settings = {"JOBLINE_WORKER_QUEUES": QUEUE, "JOBLINE_SMTP_URL": server.url}
    worker = WorkerService(service.address, service.worker_token, folder, **settings)
    try:
        yield worker
    finally:
        await asyncio.to_thread(worker.kill)


async def told_twice_to_leave(business: Business, worker: WorkerService) -> None:
    """The second signal comes when the worker has said goodbye because of the first."""

    def is_leaving() -> bool:
        (found,) = business.operator.queues.ListWorkers(queue_service_pb2.ListWorkersRequest()).workers
        return bool(found.draining)

    worker.send(signal.SIGTERM)
    await asyncio.to_thread(eventually_blocking, is_leaving, within=10, what="the worker is leaving")
    worker.send(signal.SIGTERM)


def test_a_worker_service_waits_longer_than_a_hand_over_may_take() -> None:
    assert DRAIN_SECONDS >= SEND_SECONDS + 5


async def test_a_hand_over_that_outlasts_its_workers_patience_counts_as_lost(
    service: QueueServiceUnderTest, business: Business, tmp_path: Path
) -> None:
    message = business.send(max_attempts=2)
    async with mail_server(acts={"CONTENT": [HOLD]}) as server:
        async with worker_process(service, server, tmp_path) as first:
            await eventually(lambda: server.holding == 1, within=60, what="the server holds the mail")
            await told_twice_to_leave(business, first)
            assert await asyncio.to_thread(first.wait, 30) == 0
        assert await asyncio.to_thread(business.status, message.id) == "processing"
        async with worker_process(service, server, tmp_path):

            async def is_sent() -> bool:
                return await asyncio.to_thread(business.status, message.id) == "completed"

            await eventually(is_sent, within=60, what="the message is sent")
        server.release.set()
    history = await asyncio.to_thread(business.history, message.communication_id)
    assert [(entry.attempts, status_of(entry), entry.last_error) for entry in history] == [
        (1, "failed", "Worker lost"),
        (2, "completed", ""),
    ]


async def test_a_hand_over_that_ends_after_a_second_signal_is_told_of(
    service: QueueServiceUnderTest, business: Business, tmp_path: Path
) -> None:
    message = business.send()
    async with mail_server(acts={"CONTENT": [HOLD]}) as server:
        async with worker_process(service, server, tmp_path) as worker:
            await eventually(lambda: server.holding == 1, within=60, what="the server holds the mail")
            await told_twice_to_leave(business, worker)
            server.release.set()
            assert await asyncio.to_thread(worker.wait, 30) == 0
        assert len(server.mails) == 1
    sent = await asyncio.to_thread(business.get, message.id)
    assert (status_of(sent), sent.attempts) == ("completed", 1)
