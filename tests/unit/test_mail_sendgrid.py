"""SendGrid's dialect: what is sent, what counts as taken, and how every other answer reads."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import httpx
import pytest

from jobline_worker.providers.http import MAX_ANSWER_BYTES, provider_client
from jobline_worker.providers.messages import Message, Receipt
from jobline_worker.providers.messages.failures import DeliveryFailed, DeliveryTimeout
from jobline_worker.providers.messages.mail_address import MailAddress, Sender
from jobline_worker.providers.messages.sendgrid import SendGridAccount, SendGridMessenger
from support.message_apis import SendGrid
from support.provider_servers import Reply, always, cut, dribble, hang, html, refused_url, serve, status

JOB = "019aa5b2-7c1e-7000-8000-000000000001"
KEY = "SG.very-secret.key"
MESSAGE = Message(JOB, "email", "ada@example.org", "Your order", "It is on its way.\nBye")
SENDER = Sender(MailAddress("shop", "example.com"), "Ada's Shop")
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
    client: httpx.AsyncClient, url: str, timeout: float = PATIENT, sender: Sender = SENDER
) -> SendGridMessenger:
    return SendGridMessenger(client, SendGridAccount(url, KEY), sender, timeout)


async def failure(client: httpx.AsyncClient, reply: Reply) -> str:
    """What the message's `lastError` would read after this answer."""
    async with serve(always(reply)) as server:
        with pytest.raises(DeliveryFailed) as failed:
            await messenger(client, server.url).send(MESSAGE)
        assert len(server.requests) == 1, "retrying is the queue's business"
    assert failed.value.code == "PROVIDER_ERROR"
    return str(failed.value)


async def test_a_mail_is_posted_with_the_key_and_the_jobs_id(client: httpx.AsyncClient) -> None:
    api = SendGrid(KEY)
    async with serve(api) as server:
        receipt = await messenger(client, server.url).send(MESSAGE)
    assert receipt == Receipt("sendgrid", "sg-1")
    assert api.taken == [
        {
            "personalizations": [{"to": [{"email": "ada@example.org"}]}],
            "from": {"email": "shop@example.com", "name": "Ada's Shop"},
            "subject": "Your order",
            "content": [{"type": "text/plain", "value": "It is on its way.\nBye"}],
            "headers": {"Message-ID": f"<{JOB}@example.com>"},
            "custom_args": {"job_id": JOB},
        }
    ]


async def test_what_sendgrid_does_not_name_keeps_the_name_that_we_gave_it(client: httpx.AsyncClient) -> None:
    async with serve(always(Reply(202))) as server:
        assert (await messenger(client, server.url).send(MESSAGE)).message_id == f"<{JOB}@example.com>"


async def test_texts_of_strangers_stay_inside_of_their_fields(client: httpx.AsyncClient) -> None:
    api = SendGrid(KEY)
    hostile = replace(
        MESSAGE, recipient="jürgen@exämple.de", subject='a"},\r\nBcc: eve@evil.example', body='"}],"x":[{"\0\u2028'
    )
    async with serve(api) as server:
        await messenger(client, server.url, sender=Sender(SENDER.address)).send(hostile)
    [mail] = api.taken
    assert mail["personalizations"] == [{"to": [{"email": "jürgen@xn--exmple-cua.de"}]}]
    assert mail["from"] == {"email": "shop@example.com"}
    assert mail["subject"] == 'a"},  Bcc: eve@evil.example'
    assert mail["content"][0]["value"] == hostile.body
    assert "x" not in mail


async def test_a_mail_without_a_subject_says_so_because_sendgrid_wants_one(client: httpx.AsyncClient) -> None:
    api = SendGrid(KEY)
    async with serve(api) as server:
        await messenger(client, server.url).send(replace(MESSAGE, subject=""))
    assert api.taken[0]["subject"] == "(no subject)"


async def test_an_address_that_no_mail_can_go_to_fails_before_anybody_is_called(client: httpx.AsyncClient) -> None:
    async with serve(SendGrid(KEY)) as server:
        with pytest.raises(DeliveryFailed) as failed:
            await messenger(client, server.url).send(replace(MESSAGE, recipient="ada@exa mple"))
        assert server.requests == []
    assert str(failed.value) == "SendGrid API error: the address has a domain that no mail can go to"


async def test_a_wrong_key_is_told_in_sendgrids_words(client: httpx.AsyncClient) -> None:
    async with serve(SendGrid("another")) as server:
        with pytest.raises(DeliveryFailed) as failed:
            await messenger(client, server.url).send(MESSAGE)
    assert str(failed.value) == ("SendGrid API error: The provided authorization grant is invalid, expired, or revoked")


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (SendGrid.refusal(400, "Invalid email address"), "Invalid email address"),
        (SendGrid.refusal(400, "First", "Second"), "First; Second"),
        (SendGrid.refusal(403, "The from address is not verified."), "The from address is not verified."),
        (SendGrid.refusal(429, "too many requests"), "too many requests"),
        (status(429), "HTTP 429"),
        (status(413, "too\r\nlarge"), "HTTP 413: too large"),
        (Reply(500, b"<html><h1>Oops</h1>", {"content-type": "text/html"}), "HTTP 500"),
        (Reply(502, b"  <!doctype html><h1>Oops</h1>"), "HTTP 502"),
        (Reply(500, b'{"errors": [7, {"message": null}, {}]}'), 'HTTP 500: {"errors": [7, {"message": null}, {}]}'),
        (Reply(500, b"[" * 100_000), None),
        (Reply(500, b"x" * (MAX_ANSWER_BYTES + 1)), "HTTP 500"),
        (Reply(503, b"not gzip", {"content-encoding": "gzip"}), "HTTP 503"),
        (Reply(302, headers={"location": "http://127.0.0.1:9/"}), "HTTP 302"),
        (html("<h1>Welcome</h1>"), "HTTP 200"),
        (Reply(202, b"x" * (MAX_ANSWER_BYTES + 1)), "the service sent an answer larger than 4194304 bytes"),
        (cut(), "the service could not be reached (RemoteProtocolError)"),
    ],
)
async def test_every_other_answer_reads_as_an_error_of_sendgrid(
    client: httpx.AsyncClient, reply: Reply, text: str | None
) -> None:
    said = await failure(client, reply)
    assert said.startswith("SendGrid API error: ")
    assert len(said) <= 1000
    assert text is None or said == f"SendGrid API error: {text}"


async def test_a_novel_of_an_error_is_cut_and_neither_key_nor_control_characters_are_told(
    client: httpx.AsyncClient,
) -> None:
    said = await failure(client, SendGrid.refusal(400, f"Key {KEY} \x1b[31m\0 Bearer {KEY} " + "blah " * 1000))
    assert len(said) == 1000
    assert said.isprintable()
    assert "very-secret" not in said


@pytest.mark.parametrize("reply", [hang(), dribble(), Reply(202, b"x", then="hang")])
async def test_a_server_that_hangs_is_a_connection_timeout(client: httpx.AsyncClient, reply: Reply) -> None:
    async with serve(always(reply)) as server:
        with pytest.raises(DeliveryTimeout) as failed:
            await messenger(client, server.url, IMPATIENT).send(MESSAGE)
    assert str(failed.value) == "Connection timeout"


async def test_a_server_that_is_not_there_is_unreachable_and_its_address_is_not_told(client: httpx.AsyncClient) -> None:
    with pytest.raises(DeliveryFailed) as failed:
        await messenger(client, refused_url()).send(MESSAGE)
    assert str(failed.value) == "SendGrid API error: the service could not be reached (ConnectError)"


async def test_a_redirect_does_not_get_the_key(client: httpx.AsyncClient) -> None:
    async with serve(SendGrid(KEY)) as other:
        await failure(client, Reply(307, headers={"location": other.url + "/v3/mail/send"}))
        assert other.connections == 0
