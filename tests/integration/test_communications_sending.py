"""A message's life between the real queue service, a worker and a mail server: attempts, history, cancels in mid-send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from jobline.runtime import Settings
from jobline.worker import Worker
from jobline_worker.config import ProviderConfig
from jobline_worker.pipelines.communications import SendMessage
from jobline_worker.providers.bundle import open_providers
from jobline_worker.providers.messages.config import MessageConfig
from support.communications import QUEUE, Business, status_of
from support.eventually import eventually
from support.mail_server import HOLD, MailServer, mail_server
from support.queue_service import QueueServiceUnderTest, queue_service

NO_WAITS = """
[queues.communications]
backoff = ["0s"]
"""


@pytest.fixture
def service(fresh_database: str, tmp_path: Path) -> Iterator[QueueServiceUnderTest]:
    with queue_service(fresh_database, tmp_path, NO_WAITS) as running:
        yield running
        assert running.faults == []


@pytest.fixture
def business(service: QueueServiceUnderTest) -> Iterator[Business]:
    opened = Business(service)
    yield opened
    opened.close()


@asynccontextmanager
async def worker(service: QueueServiceUnderTest, server: MailServer) -> AsyncIterator[None]:
    """A worker that sends e-mails through the server."""
    config = ProviderConfig(messages=MessageConfig.read(Settings({"JOBLINE_SMTP_URL": server.url})))
    async with open_providers(config, {}) as providers:
        pipelines = [SendMessage(providers.messengers)]
        running = Worker(service.address, service.worker_token, queues={QUEUE: 10}, pipelines=pipelines)
        life = asyncio.create_task(running.run())
        try:
            yield
        finally:
            server.release.set()
            running.stop()
            await asyncio.wait_for(life, 30)


async def status(business: Business, message_id: str) -> str:
    return await asyncio.to_thread(business.status, message_id)


async def ended(business: Business, message_id: str, wanted: str) -> None:
    async def reached() -> bool:
        return await status(business, message_id) == wanted

    await eventually(reached, within=30, what=f"the message is {wanted}")


async def test_two_refusals_and_a_success_are_three_attempts_with_the_servers_words(
    service: QueueServiceUnderTest, business: Business
) -> None:
    message = business.send(max_attempts=3)
    refusal = "451 4.7.1 Greylisted"
    async with mail_server(acts={"RCPT": [refusal, refusal]}) as server, worker(service, server):
        await ended(business, message.id, "completed")
        [mail] = server.mails
    history = await asyncio.to_thread(business.history, message.communication_id)
    assert [(entry.attempts, status_of(entry), entry.last_error) for entry in history] == [
        (1, "failed", f"SMTP error: {refusal}"),
        (2, "failed", f"SMTP error: {refusal}"),
        (3, "completed", ""),
    ]
    assert mail.read["Message-ID"].startswith(f"<{message.id}@")


async def test_a_budget_that_is_used_up_leaves_the_servers_last_words(
    service: QueueServiceUnderTest, business: Business
) -> None:
    message = business.send(max_attempts=2)
    async with mail_server(acts={"RCPT": "550 5.1.1 No such user here"}) as server, worker(service, server):
        await ended(business, message.id, "failed")
    failed = await asyncio.to_thread(business.get, message.id)
    assert failed.attempts == 2
    assert failed.last_error == "SMTP error: 550 5.1.1 No such user here"


async def test_a_cancel_in_the_middle_of_a_hand_over_holds_and_what_the_provider_took_is_noted(
    service: QueueServiceUnderTest, business: Business
) -> None:
    message = business.send()
    async with mail_server(acts={"CONTENT": HOLD}) as server, worker(service, server):
        await eventually(lambda: server.holding == 1, within=30, what="the server holds the mail")
        cancelled = await asyncio.to_thread(business.cancel, message.id)
        assert status_of(cancelled) == "cancelled"
        server.release.set()

        async def voided() -> list[str]:
            explained = await asyncio.to_thread(business.operator.explain, message.id)
            return [event.detail for event in explained.events if event.name == "voided"]

        await eventually(voided, within=30, what="the void result is noted")
        [detail] = await voided()
        [mail] = server.mails
    assert mail.read["Message-ID"] in detail
    assert await status(business, message.id) == "cancelled"
