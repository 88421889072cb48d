"""`send_message` from a job's payload to what arrives at the other end, with the settings that an operator would set."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jobline.runtime import Settings
from jobline.worker.results import Lost
from jobline.worker.testing import LocalOutcome, local_run
from jobline_worker.config import ProviderConfig
from jobline_worker.pipelines.communications import SendMessage
from jobline_worker.providers.bundle import open_providers
from jobline_worker.providers.messages import Message, Receipt
from jobline_worker.providers.messages.config import MessageConfig
from support.mail_server import mail_server
from support.message_apis import SendGrid, Twilio
from support.provider_servers import serve

EMAIL = {
    "communication_id": "comm-1",
    "channel": "email",
    "recipient_contact": "ada@example.org",
    "subject": "Your order",
    "body": "It is on its way.",
    "text": "{}",
}
CHANNELS = ("email", "sms", "whatsapp", "messenger")


@asynccontextmanager
async def worker(**environ: str) -> AsyncIterator[SendMessage]:
    """The pipeline with the providers that these settings choose."""
    config = ProviderConfig(messages=MessageConfig.read(Settings(environ)))
    async with open_providers(config, {}) as providers:
        yield SendMessage(providers.messengers)


async def sent(payload: dict[str, Any], **environ: str) -> LocalOutcome:
    """How one run of the job ended."""
    async with worker(**environ) as pipeline:
        return await local_run(pipeline, payload, queue="communications", max_attempts=3)


@pytest.mark.parametrize("channel", CHANNELS)
async def test_without_settings_every_channel_goes_to_the_outbox(channel: str) -> None:
    outcome = await sent({**EMAIL, "channel": channel, "subject": None})
    assert outcome.result["provider"] == "outbox"
    assert outcome.result.keys() == {"provider", "message_id"}
    assert outcome.result["message_id"]


async def test_an_email_goes_to_the_mail_server_under_an_id_that_follows_from_the_job() -> None:
    async with mail_server() as server:
        outcome = await sent(EMAIL, JOBLINE_SMTP_URL=server.url, JOBLINE_MAIL_FROM="Shop <shop@example.com>")
        [mail] = server.mails
    assert outcome.result == {"provider": "smtp", "message_id": mail.read["Message-ID"]}
    assert mail.read["From"] == "Shop <shop@example.com>"
    assert mail.recipients == ("ada@example.org",)
    assert mail.read["Subject"] == "Your order"
    assert mail.read.get_content().strip() == "It is on its way."


async def test_sendgrid_goes_before_the_mail_server() -> None:
    api = SendGrid("key")
    async with mail_server() as server, serve(api) as sendgrid:
        outcome = await sent(
            EMAIL,
            JOBLINE_SMTP_URL=server.url,
            JOBLINE_SENDGRID_URL=sendgrid.url,
            JOBLINE_SENDGRID_API_KEY="key",
        )
        assert server.said == b""
    assert outcome.result == {"provider": "sendgrid", "message_id": "sg-1"}
    assert api.taken[0]["custom_args"]["job_id"] in api.taken[0]["headers"]["Message-ID"]


@pytest.mark.parametrize("channel", CHANNELS[1:])
async def test_the_other_channels_go_to_twilio(channel: str) -> None:
    api = Twilio("AC1", "token")
    async with serve(api) as twilio:
        outcome = await sent(
            {**EMAIL, "channel": channel, "recipient_contact": "+15550101", "subject": None},
            JOBLINE_TWILIO_URL=twilio.url + "/",
            JOBLINE_TWILIO_ACCOUNT_SID="AC1",
            JOBLINE_TWILIO_AUTH_TOKEN="token",
            JOBLINE_TWILIO_FROM="+15550100",
        )
    assert outcome.result["provider"] == "twilio"
    assert api.taken[0]["To"].endswith("+15550101")


async def test_a_failure_is_told_in_the_providers_words_and_is_worth_another_attempt() -> None:
    async with mail_server(acts={"RCPT": "550 5.1.1 No such user here"}) as server:
        outcome = await sent(EMAIL, JOBLINE_SMTP_URL=server.url)
        assert server.commands.count("RSET") <= 1, "one conversation a run: the next attempt is the queue's"
        assert len([command for command in server.commands if command.startswith("RCPT")]) == 1
    assert outcome.failure.message == "SMTP error: 550 5.1.1 No such user here"
    assert outcome.failure.retryable
    assert outcome.failure.code == "PROVIDER_ERROR"
    assert outcome.steps == {}, "nothing of a failed attempt is left for the next one"


async def test_the_provider_is_chosen_anew_on_every_attempt() -> None:
    async with mail_server(acts={"EHLO": "421 down"}) as server:
        first = await sent(EMAIL, JOBLINE_SMTP_URL=server.url)
    async with worker() as pipeline:
        second = await local_run(pipeline, EMAIL, attempt=2, finished=first.steps)
    assert first.failure.message == "SMTP error: 421 down"
    assert second.result["provider"] == "outbox"


async def test_a_run_that_was_lost_after_its_receipt_was_stored_does_not_send_again() -> None:
    async with mail_server() as server, worker(JOBLINE_SMTP_URL=server.url) as pipeline:
        first = await local_run(pipeline, EMAIL)
        again = await local_run(pipeline, EMAIL, finished=first.steps)
        assert len(server.mails) == 1
    assert again.result == first.result


async def test_a_run_that_holds_its_lease_no_more_says_nothing_to_the_provider() -> None:
    async with mail_server() as server, worker(JOBLINE_SMTP_URL=server.url) as pipeline:
        outcome = await local_run(pipeline, EMAIL, holds_lease=False)
        assert server.said == b""
    assert isinstance(outcome.outcome, Lost)


@pytest.mark.parametrize("field", ["channel", "recipient_contact", "body"])
async def test_a_payload_that_is_no_message_fails_for_good_and_names_the_field(field: str) -> None:
    outcome = await sent({**EMAIL, field: 7})
    assert outcome.failure.code == "INVALID_PAYLOAD"
    assert field in outcome.failure.message
    assert not outcome.failure.retryable


async def test_a_channel_that_nobody_serves_is_no_message() -> None:
    assert (await sent({**EMAIL, "channel": "fax"})).failure.code == "INVALID_PAYLOAD"


async def test_a_fault_of_ours_is_told_by_its_kind_alone() -> None:
    class Broken:
        async def send(self, message: Message) -> Receipt:
            raise RuntimeError("hunter2")

    outcome = await local_run(SendMessage({"email": Broken()}), EMAIL)
    assert outcome.failure.message == "internal error (RuntimeError)"
    assert outcome.failure.retryable
