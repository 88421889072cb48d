"""Conversations with mail servers: polite ones, refusing ones, and those that hang or hang up in the middle."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jobline.event_loop import run
from jobline_local.ports import free_port
from jobline_worker.providers.messages import Message, Receipt
from jobline_worker.providers.messages.failures import DeliveryError, DeliveryFailed, DeliveryTimeout
from jobline_worker.providers.messages.mail_address import MailAddress, Sender
from jobline_worker.providers.messages.smtp import SmtpMessenger
from jobline_worker.providers.messages.smtp_server import SmtpServer
from support.mail_server import CUT, HANG, certificate_for, mail_server, scripted_server

JOB = "019aa5b2-7c1e-7000-8000-000000000001"
MESSAGE = Message(JOB, "email", "ada@example.org", "Your order", "It is on its way.")
SENDER = Sender(MailAddress("shop", "example.com"))
USERS = {"shop@example.com": "pa:ss/wörd"}
LOGIN = "shop%40example.com:pa%3Ass%2Fw%C3%B6rd@"
#: Long enough for a busy machine where the server answers, short where it does not.
PATIENT, IMPATIENT = 20.0, 0.3


def messenger(url: str, timeout: float = PATIENT) -> SmtpMessenger:
    return SmtpMessenger(SmtpServer.parse(url), SENDER, timeout)


async def failure(sender: SmtpMessenger, message: Message = MESSAGE) -> str:
    """What the message's `lastError` would read."""
    with pytest.raises(DeliveryFailed) as failed:
        await sender.send(message)
    return str(failed.value)


def as_user(url: str, login: str = LOGIN) -> str:
    return url.replace("smtp://", f"smtp://{login}")


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the file of the authority that SSL_CERT_FILE names."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return tmp_path


@pytest.fixture(autouse=True)
def no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert "pa:ss" not in caplog.text


async def test_the_mail_arrives_with_its_envelope_and_the_id_that_follows_from_the_job() -> None:
    async with mail_server() as server:
        receipt = await messenger(server.url).send(MESSAGE)
        [mail] = server.mails
    assert receipt == Receipt("smtp", f"<{JOB}@example.com>")
    assert (mail.sender, mail.recipients) == ("shop@example.com", ("ada@example.org",))
    assert mail.read["Message-ID"] == receipt.message_id
    assert mail.read["Subject"] == "Your order"
    assert mail.read.get_content().split() == ["It", "is", "on", "its", "way."]


async def test_a_second_attempt_sends_the_same_message_id() -> None:
    async with mail_server() as server:
        await messenger(server.url).send(MESSAGE)
        await messenger(server.url).send(MESSAGE)
        first, second = server.mails
    assert first.read["Message-ID"] == second.read["Message-ID"]


async def test_a_body_arrives_as_it_was_given_whatever_its_lines_look_like() -> None:
    body = (
        ".\n..\n.hidden\nQUIT\nFrom me\n"
        + "x" * 5000
        + "\nGrüße, 注文 👋 \n\ttab \0 bell\a\n.\r\nRCPT TO:<eve@evil.example>"
    )
    async with mail_server() as server:
        await messenger(server.url).send(replace(MESSAGE, body=body))
        [mail] = server.mails
    decoded = mail.read.get_payload(decode=True)
    assert isinstance(decoded, bytes)
    assert decoded.decode().splitlines() == body.splitlines()
    assert max(len(line) for line in mail.content.split(b"\r\n")) <= 998


# ---- encryption and login ----------------------------------------------------------------------------------------------


async def test_starttls_encrypts_and_a_login_goes_through_the_encrypted_connection(trusted: Path) -> None:
    tls, _ = certificate_for("localhost", trusted)
    async with mail_server(tls=tls, users=USERS) as server:
        await messenger(as_user(server.url) + "?starttls=1").send(MESSAGE)
        assert len(server.mails) == 1
        assert server.logins == ["shop@example.com"]
    words = [command.split()[0] for command in server.commands if command.isascii()]
    assert words.index("STARTTLS") == words.index("EHLO") + 1, "nothing but a greeting is said in the clear"
    assert words.index("AUTH") > words.index("STARTTLS")


def test_the_same_holds_on_the_loop_that_the_worker_runs_on(trusted: Path) -> None:
    async def converse() -> int:
        tls, _ = certificate_for("localhost", trusted)
        async with mail_server(tls=tls, users=USERS) as server:
            await messenger(as_user(server.url) + "?starttls=1").send(MESSAGE)
            server.acts["CONTENT"] = HANG
            with pytest.raises(DeliveryTimeout):
                await messenger(as_user(server.url) + "?starttls=1", 1.0).send(MESSAGE)
            return len(server.mails)

    assert run(converse()) == 1


async def test_a_server_that_does_not_offer_the_asked_for_starttls_gets_neither_password_nor_mail() -> None:
    async with mail_server(users=USERS) as server:
        text = await failure(messenger(as_user(server.url) + "?starttls=1"))
    assert text == "SMTP error: SMTP STARTTLS extension not supported by server."
    assert [command.split()[0] for command in server.commands] == ["EHLO"]
    assert server.mails == []


async def test_a_starttls_that_is_answered_no_ends_the_attempt() -> None:
    async with scripted_server(b"220 hi\r\n", b"250-mail\r\n250 STARTTLS\r\n", b"454 4.7.0 not now\r\n") as url:
        assert await failure(messenger(as_user(url) + "?starttls=1")) == "SMTP error: 454 4.7.0 not now"


async def test_a_certificate_that_nobody_trusted_vouches_for_is_refused(tmp_path: Path) -> None:
    tls, _ = certificate_for("localhost", tmp_path)
    async with mail_server(tls=tls) as server:
        text = await failure(messenger(server.url + "?starttls=1"))
        assert server.mails == []
    assert text.startswith("SMTP error: the server's certificate is not trusted: ")


async def test_a_certificate_of_another_host_is_refused(trusted: Path) -> None:
    tls, _ = certificate_for("mail.example.net", trusted)
    async with mail_server(tls=tls) as server:
        text = await failure(messenger(server.url + "?starttls=1"))
        assert server.mails == []
    assert text.startswith("SMTP error: the server's certificate is not trusted: Hostname mismatch")


async def test_what_was_slipped_in_before_the_encryption_is_not_taken_for_an_answer(trusted: Path) -> None:
    """RFC 3207, section 4.2: a reply that somebody on the way adds in the clear must not survive the handshake."""
    slipped = b"220 go ahead\r\n250 slipped in\r\n"
    async with scripted_server(b"220 hi\r\n", b"250-mail\r\n250 STARTTLS\r\n", slipped) as url:
        text = await failure(messenger(url + "?starttls=1"))
    assert text.startswith("SMTP error: the connection ")


async def test_a_wrong_password_is_told_in_the_servers_words_without_the_password() -> None:
    async with mail_server(users=USERS) as server:
        text = await failure(messenger(as_user(server.url, "shop%40example.com:pa%3Ass-old@")))
        assert server.mails == []
    assert text == "SMTP error: 535 5.7.8 Wrong password *** for shop@example.com"


@pytest.mark.parametrize("spelling", [b"pa:ss", base64.b64encode(b"pa:ss"), base64.b64encode(b"\0shop\0pa:ss")])
async def test_a_server_that_repeats_the_password_in_any_spelling_is_not_quoted(spelling: bytes) -> None:
    answers = (b"220 hi\r\n", b"250-mail\r\n250 AUTH PLAIN\r\n", b"535 no: " + spelling + b"\r\n")
    async with scripted_server(*answers, then=HANG) as url:
        assert await failure(messenger(as_user(url, "shop:pa%3Ass@"))) == "SMTP error: 535 no: ***"


# ---- addresses ---------------------------------------------------------------------------------------------------------


async def test_an_address_outside_of_ascii_goes_to_a_server_that_takes_it() -> None:
    async with mail_server() as server:
        await messenger(server.url).send(replace(MESSAGE, recipient="jürgen@exämple.de", subject="Grüße"))
        [mail] = server.mails
    assert mail.recipients == ("jürgen@xn--exmple-cua.de",)
    assert "SMTPUTF8" in mail.options
    assert mail.read["Subject"] == "Grüße"
    assert "To: jürgen@xn--exmple-cua.de\r\n".encode() in mail.content


async def test_an_address_outside_of_ascii_fails_where_the_server_does_not_take_it() -> None:
    async with mail_server(utf8=False) as server:
        text = await failure(messenger(server.url), replace(MESSAGE, recipient="jürgen@example.org"))
        assert text.startswith("SMTP error: ")
        assert "SMTPUTF8" in text
        await messenger(server.url).send(replace(MESSAGE, recipient="ada@exämple.de"))
        assert [mail.recipients for mail in server.mails] == [("ada@xn--exmple-cua.de",)]


async def test_an_address_that_no_mail_can_go_to_fails_before_anybody_is_called() -> None:
    async with mail_server() as server:
        text = await failure(messenger(server.url), replace(MESSAGE, recipient="ada@example.org>\r\nRCPT TO:<eve"))
        assert server.said == b""
    assert text == "SMTP error: the address has a domain that no mail can go to"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(local=st.text(min_size=1, max_size=40), subject=st.text(max_size=80), body=st.text(max_size=300))
@example(local='a" SIZE=1>\u2028', subject="\r\nTo: eve@evil.example", body="\r\n.\r\nMAIL FROM:<eve@evil.example>\r\n")
@example(local="a\u00a0b\u3000c>", subject="", body=".")
@example(local='eve@evil.example"', subject="\0", body="\0")
def test_no_text_makes_another_command_another_header_or_another_recipient(local: str, subject: str, body: str) -> None:
    async def converse() -> None:
        async with mail_server() as server:
            message = replace(MESSAGE, recipient=f"{local}@example.org", subject=subject, body=body)
            try:
                await messenger(server.url).send(message)
            except DeliveryFailed:
                assert server.commands == []
                return
            [mail] = server.mails
        assert [command.split()[0] for command in server.commands] == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]
        assert [recipient.rpartition("@")[2] for recipient in mail.recipients] == ["example.org"]
        assert len(mail.read.keys()) == len(set(mail.read.keys())) <= 8

    asyncio.run(converse())


# ---- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("EHLO", "421 4.3.2 shutting down"),
        ("MAIL", "553 5.7.1 shop@example.com is not yours"),
        ("RCPT", "550 5.1.1 No such user here"),
        ("RCPT", "451 4.7.1 Greylisted, come back in five minutes"),
        ("CONTENT", "554 5.7.1 Spam"),
        ("CONTENT", "452 4.2.2 Mailbox full"),
    ],
)
async def test_a_refusal_is_told_in_the_servers_words_and_is_worth_another_attempt(command: str, answer: str) -> None:
    async with mail_server(acts={command: answer}) as server:
        with pytest.raises(DeliveryError) as failed:
            await messenger(server.url).send(MESSAGE)
        assert server.mails == []
    assert str(failed.value) == f"SMTP error: {answer}"
    assert failed.value.code == "PROVIDER_ERROR"


async def test_a_refusal_of_many_lines_becomes_one_line_of_at_most_a_thousand_characters() -> None:
    rows = b"".join(b"554-\x1b[31mrow\x00 of a novel " + b"x" * 60 + b"\r\n" for _ in range(40))
    async with scripted_server(rows + b"554 end\r\n") as url:
        text = await failure(messenger(url))
    assert text.startswith("SMTP error: 554 ")
    assert len(text) == 1000
    assert text.isprintable()


# ---- servers that hang, cut and talk nonsense --------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT", "CONTENT"])
async def test_a_server_that_hangs_is_a_connection_timeout(command: str) -> None:
    async with mail_server(acts={command: HANG}) as server:
        with pytest.raises(DeliveryTimeout) as failed:
            await messenger(server.url, IMPATIENT).send(MESSAGE)
    assert str(failed.value) == "Connection timeout"


async def test_the_limit_covers_the_greeting_and_the_encryption(trusted: Path) -> None:
    certificate_for("127.0.0.1", trusted)
    async with scripted_server(then=HANG) as url:
        with pytest.raises(DeliveryTimeout):
            await messenger(url, IMPATIENT).send(MESSAGE)
    async with scripted_server(b"220 hi\r\n", b"250-mail\r\n250 STARTTLS\r\n", b"220 go\r\n", then=HANG) as url:
        with pytest.raises(DeliveryTimeout):
            await messenger(url + "?starttls=1", IMPATIENT).send(MESSAGE)


@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT", "CONTENT"])
async def test_a_server_that_hangs_up_half_way_is_an_error_of_the_server(command: str) -> None:
    async with mail_server(acts={command: CUT}) as server:
        assert await failure(messenger(server.url)) == "SMTP error: the connection to the server broke"
        assert server.mails == []


async def test_a_server_that_hangs_up_during_the_encryption_is_no_timeout() -> None:
    async with scripted_server(b"220 hi\r\n", b"250-mail\r\n250 STARTTLS\r\n", b"220 go\r\n") as url:
        assert (await failure(messenger(url + "?starttls=1"))).startswith("SMTP error: the connection ")


async def test_a_server_that_is_not_there_is_unreachable_and_its_address_is_not_told() -> None:
    text = await failure(messenger(f"smtp://shop:hunter2@127.0.0.1:{free_port()}"))
    assert text == "SMTP error: the server could not be reached (ConnectionRefusedError)"


@pytest.mark.parametrize("act", [CUT, HANG, "550 no"])
async def test_a_mail_that_was_taken_stays_taken_however_the_server_says_goodbye(act: str) -> None:
    async with mail_server(acts={"QUIT": act}) as server:
        receipt = await messenger(server.url, 0.8).send(MESSAGE)
        assert receipt.provider == "smtp"
        assert len(server.mails) == 1


@pytest.mark.parametrize(
    "answers",
    [
        (),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n",),
        (b"554 go away\r\n",),
        (b"220 hi\r\n", b"\xff\xfe\x00\r\n"),
        (b"220 hi\r\n", b"250 ok\r\n", b"250 " + b"x" * 100_000),
        (b"220 hi\r\n", b"250-endless\r\n" * 10_000),
        (b"220 hi\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n",),
    ],
)
async def test_a_server_that_talks_nonsense_is_an_error_of_the_server(answers: tuple[bytes, ...]) -> None:
    async with scripted_server(*answers) as url:
        text = await failure(messenger(url))
    assert text.startswith("SMTP error: ")
    assert text.isprintable()
    assert len(text) <= 1000
