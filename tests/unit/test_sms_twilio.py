"""Twilio's dialect: one form for three channels, what counts as queued, and how every other answer reads."""

from __future__ import annotations

import base64
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from urllib.parse import parse_qs

import httpx
import pytest

from jobline_worker.providers.http import MAX_ANSWER_BYTES, provider_client
from jobline_worker.providers.messages import Message, Receipt
from jobline_worker.providers.messages.failures import DeliveryFailed, DeliveryTimeout
from jobline_worker.providers.messages.twilio import TwilioAccount, TwilioMessenger, read_senders
from support.message_apis import Twilio
from support.provider_servers import Reply, always, cut, hang, html, json_reply, refused_url, serve, status

JOB = "019aa5b2-7c1e-7000-8000-000000000001"
SID, TOKEN = "AC0123456789abcdef0123456789abcdef", "very-secret-token"
MESSAGE = Message(JOB, "sms", "+15550101", "", "Your order is on its way & more: 100% +1 ü")
SERVICE = "MG0123456789abcdef0123456789abcdef"
PATIENT, IMPATIENT = 20.0, 0.3


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with provider_client() as opened:
        yield opened


@pytest.fixture(autouse=True)
def no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert "very-secret" not in caplog.text


def messenger(
    client: httpx.AsyncClient, url: str, senders: str = "+15550100", timeout: float = PATIENT
) -> TwilioMessenger:
    account = TwilioAccount(url, SID, TOKEN, read_senders(senders) if senders else {})
    return TwilioMessenger(client, account, timeout)


async def failure(client: httpx.AsyncClient, reply: Reply) -> str:
    """What the message's `lastError` would read after this answer."""
    async with serve(always(reply)) as server:
        with pytest.raises(DeliveryFailed) as failed:
            await messenger(client, server.url).send(MESSAGE)
        assert len(server.requests) == 1, "retrying is the queue's business"
    assert failed.value.code == "PROVIDER_ERROR"
    return str(failed.value)


async def test_a_text_message_is_posted_as_a_form_with_the_accounts_credentials(client: httpx.AsyncClient) -> None:
    api = Twilio(SID, TOKEN)
    async with serve(api) as server:
        receipt = await messenger(client, server.url).send(MESSAGE)
    assert (receipt.provider, receipt.message_id) == ("twilio", "SM" + "1".zfill(32))
    assert api.taken == [{"To": "+15550101", "From": "+15550100", "Body": MESSAGE.body}]


@pytest.mark.parametrize(
    ("channel", "recipient", "senders", "expected"),
    [
        ("sms", " +15550101 ", "+15550100", {"To": "+15550101", "From": "+15550100"}),
        ("sms", "+15550101", "MGM Grand", {"To": "+15550101", "From": "MGM Grand"}),
        ("sms", "+15550101", SERVICE, {"To": "+15550101", "MessagingServiceSid": SERVICE}),
        ("whatsapp", "+15550101", "+15550100", {"To": "whatsapp:+15550101", "From": "whatsapp:+15550100"}),
        ("whatsapp", "whatsapp:+15550101", SERVICE, {"To": "whatsapp:+15550101", "MessagingServiceSid": SERVICE}),
        ("messenger", "7001", "+15550100, messenger:42", {"To": "messenger:7001", "From": "messenger:42"}),
        ("whatsapp", "+1", "sms:+2,whatsapp:+3", {"To": "whatsapp:+1", "From": "whatsapp:+3"}),
    ],
)
async def test_recipient_and_sender_are_spelt_as_the_channel_wants_them(
    client: httpx.AsyncClient, channel: str, recipient: str, senders: str, expected: dict[str, str]
) -> None:
    api = Twilio(SID, TOKEN)
    async with serve(api) as server:
        await messenger(client, server.url, senders).send(replace(MESSAGE, channel=channel, recipient=recipient))
    assert api.taken == [{**expected, "Body": MESSAGE.body}]


async def test_texts_of_strangers_stay_inside_of_their_fields(client: httpx.AsyncClient) -> None:
    hostile = replace(MESSAGE, recipient="+1&From=+2\r\nX-Evil: 1", body="a&To=+3&Body=b\r\n\r\nGET / HTTP/1.1\0")
    async with serve(Twilio(SID, TOKEN)) as server:
        await messenger(client, server.url).send(hostile)
        [request] = server.requests
    assert parse_qs(request.body.decode()) == {"To": [hostile.recipient], "From": ["+15550100"], "Body": [hostile.body]}
    assert "x-evil" not in request.headers


async def test_without_a_sender_twilio_says_what_is_missing(client: httpx.AsyncClient) -> None:
    async with serve(Twilio(SID, TOKEN)) as server:
        with pytest.raises(DeliveryFailed) as failed:
            await messenger(client, server.url, senders="").send(MESSAGE)
    assert str(failed.value) == "Twilio API error: A 'From' phone number is required. (code 21603)"


async def test_a_wrong_token_is_told_in_twilios_words(client: httpx.AsyncClient) -> None:
    async with serve(Twilio(SID, "another")) as server:
        with pytest.raises(DeliveryFailed) as failed:
            await messenger(client, server.url).send(MESSAGE)
    assert str(failed.value) == "Twilio API error: Authenticate (code 20003)"


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (Twilio.refusal(400, 21211, "Invalid 'To' Phone Number: +15550101"), None),
        (Twilio.refusal(403, 20006, "Access Denied"), "Access Denied (code 20006)"),
        (Twilio.refusal(429, 20429, "Too Many Requests"), "Too Many Requests (code 20429)"),
        (status(429), "HTTP 429"),
        (Reply(400, b'{"message": "No code"}'), "No code"),
        (Reply(400, b'{"message": 7, "code": "x"}'), 'HTTP 400: {"message": 7, "code": "x"}'),
        (Reply(500, b"<html><h1>Oops</h1>", {"content-type": "text/html"}), "HTTP 500"),
        (Reply(302, headers={"location": "http://127.0.0.1:9/"}), "HTTP 302"),
        (html("<h1>Welcome</h1>"), "HTTP 200 without the sid of a message"),
        (json_reply({"sid": None}), "HTTP 200 without the sid of a message"),
        (json_reply(["sid"]), "HTTP 200 without the sid of a message"),
        (Reply(201, b"x" * (MAX_ANSWER_BYTES + 1)), "the service sent an answer larger than 4194304 bytes"),
        (Reply(201, b"not gzip", {"content-encoding": "gzip"}), None),
        (cut(), "the service could not be reached (RemoteProtocolError)"),
    ],
)
async def test_every_other_answer_reads_as_an_error_of_twilio(
    client: httpx.AsyncClient, reply: Reply, text: str | None
) -> None:
    said = await failure(client, reply)
    assert said.startswith("Twilio API error: ")
    assert len(said) <= 1000
    assert text is None or said == f"Twilio API error: {text}"


async def test_a_message_that_was_created_counts_as_sent_though_its_sid_is_missing(client: httpx.AsyncClient) -> None:
    async with serve(always(Reply(201, b"{}"))) as server:
        receipt = await messenger(client, server.url).send(MESSAGE)
    assert receipt == Receipt("twilio", "")


async def test_neither_the_token_nor_the_credentials_are_told(client: httpx.AsyncClient) -> None:
    pair = base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
    said = await failure(client, Twilio.refusal(401, 20003, f"Not {TOKEN}\0 and not Basic {pair}"))
    assert said == "Twilio API error: Not ***\ufffd and not Basic *** (code 20003)"


async def test_a_server_that_hangs_is_a_connection_timeout(client: httpx.AsyncClient) -> None:
    async with serve(always(hang())) as server:
        with pytest.raises(DeliveryTimeout) as failed:
            await messenger(client, server.url, timeout=IMPATIENT).send(MESSAGE)
    assert str(failed.value) == "Connection timeout"


async def test_a_server_that_is_not_there_is_unreachable_and_its_address_is_not_told(client: httpx.AsyncClient) -> None:
    with pytest.raises(DeliveryFailed) as failed:
        await messenger(client, refused_url()).send(MESSAGE)
    assert str(failed.value) == "Twilio API error: the service could not be reached (ConnectError)"


@pytest.mark.parametrize(
    "value", ["+1,+2", "fax:+1", "sms:", ":+1", ",", "email:a@b.de", "sms:+1,sms:+2", "+1,", "whatsapp:a\0"]
)
def test_a_wrong_list_of_senders_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="expected a number or messaging service"):
        read_senders(value)
