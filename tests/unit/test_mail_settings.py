"""The settings of message providers: which channel goes where, and how half of an account is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobline.runtime import Settings, SettingsError
from jobline_worker.config import ProviderConfig
from jobline_worker.providers.bundle import open_providers
from jobline_worker.providers.messages.config import MessageConfig
from jobline_worker.providers.messages.smtp_server import SmtpServer

SENDGRID = {"JOBLINE_SENDGRID_API_KEY": "SG.hunter2"}
SMTP = {"JOBLINE_SMTP_URL": "smtp://127.0.0.1:2525"}
TWILIO = {"JOBLINE_TWILIO_ACCOUNT_SID": "AC1", "JOBLINE_TWILIO_AUTH_TOKEN": "hunter2"}


def read(**environ: str) -> MessageConfig:
    return MessageConfig.read(Settings(environ))


@pytest.mark.parametrize(
    ("environ", "mail", "text"),
    [
        ({}, "Outbox", "Outbox"),
        (SMTP, "SmtpMessenger", "Outbox"),
        (SENDGRID, "SendGridMessenger", "Outbox"),
        (SMTP | SENDGRID, "SendGridMessenger", "Outbox"),
        (TWILIO, "Outbox", "TwilioMessenger"),
        (TWILIO | SMTP, "SmtpMessenger", "TwilioMessenger"),
    ],
)
async def test_each_channel_goes_to_the_first_provider_that_is_set(
    tmp_path: Path, environ: dict[str, str], mail: str, text: str
) -> None:
    config = ProviderConfig.read(Settings({"JOBLINE_DATA_DIR": str(tmp_path), **environ}))
    async with open_providers(config, {}) as providers:
        chosen = {channel: type(messenger).__name__ for channel, messenger in providers.messengers.items()}
    assert chosen == {"email": mail, "sms": text, "whatsapp": text, "messenger": text}


def test_an_account_without_an_address_is_one_with_the_provider_itself() -> None:
    config = read(**SENDGRID, **TWILIO)
    assert config.sendgrid is not None
    assert config.twilio is not None
    assert config.sendgrid.url == "https://api.sendgrid.com"
    assert config.twilio.url == "https://api.twilio.com"


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({"JOBLINE_SENDGRID_URL": "http://127.0.0.1:1"}, "JOBLINE_SENDGRID_API_KEY"),
        ({"JOBLINE_TWILIO_URL": "http://127.0.0.1:1"}, "JOBLINE_TWILIO_ACCOUNT_SID"),
        ({"JOBLINE_TWILIO_ACCOUNT_SID": "AC1"}, "JOBLINE_TWILIO_AUTH_TOKEN"),
        ({"JOBLINE_TWILIO_AUTH_TOKEN": "hunter2"}, "JOBLINE_TWILIO_ACCOUNT_SID"),
        ({"JOBLINE_TWILIO_FROM": "+1555"}, "JOBLINE_TWILIO_ACCOUNT_SID"),
    ],
)
def test_half_an_account_is_refused_with_the_name_of_what_is_missing(environ: dict[str, str], missing: str) -> None:
    with pytest.raises(SettingsError, match=f"{missing} is not set: "):
        read(**environ)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JOBLINE_SENDGRID_URL", "api.sendgrid.com"),
        ("JOBLINE_SENDGRID_API_KEY", "SG.hunter2\r\nX-Evil: 1"),
        ("JOBLINE_SENDGRID_API_KEY", "SG.hünter2"),
        ("JOBLINE_TWILIO_URL", "ftp://twilio"),
        ("JOBLINE_TWILIO_AUTH_TOKEN", "hunter2 hunter2"),
        ("JOBLINE_TWILIO_FROM", "fax:+1555"),
        ("JOBLINE_MAIL_FROM", "hunter2"),
        ("JOBLINE_SMTP_URL", "hunter2.example:25"),
    ],
)
def test_a_wrong_setting_is_named_and_not_repeated(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}: expected ") as refused:
        read(**{**SENDGRID, **TWILIO, name: value})
    assert "hunter2" not in str(refused.value)


def test_secrets_do_not_show_when_a_config_is_printed() -> None:
    config = read(**SENDGRID, **TWILIO, JOBLINE_SMTP_URL="smtp://shop:hunter2@127.0.0.1:25")
    assert "hunter2" not in repr(config)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example:25", SmtpServer("mail.example", 25)),
        ("smtp://mail.example:25/", SmtpServer("mail.example", 25)),
        ("smtp://[::1]:2525?starttls=0", SmtpServer("::1", 2525)),
        ("smtp://mail.example:587?starttls=1", SmtpServer("mail.example", 587, starttls=True)),
        (
            "smtp://shop%40example.com:p%3A%2F%3F%23%5B%25%C3%BC@mail.example:587?starttls=1",
            SmtpServer("mail.example", 587, "shop@example.com", "p:/?#[%ü", True),
        ),
        (
            "smtp://shop@example.com:secret@mail.example:25",
            SmtpServer("mail.example", 25, "shop@example.com", "secret"),
        ),
        ("smtp://shop:a+b@mail.example:25", SmtpServer("mail.example", 25, "shop", "a+b")),
    ],
)
def test_the_mail_servers_address_is_read_with_user_and_password_decoded(url: str, server: SmtpServer) -> None:
    assert SmtpServer.parse(url) == server


@pytest.mark.parametrize(
    "url",
    [
        "mail.example:25",
        "http://mail.example:25",
        "smtps://mail.example:465",
        "smtp://mail.example",
        "smtp://:25",
        "smtp://mail.example:0",
        "smtp://mail.example:99999",
        "smtp://mail.example:25/path",
        "smtp://mail.example:25#part",
        "smtp://mail.example:587?starttls=yes",
        "smtp://mail.example:587?startls=1",
        "smtp://mail.example:587?starttls",
        "smtp://hunter2@mail.example:25",
        "smtp://shop:@mail.example:25",
        "smtp://:hunter2@mail.example:25",
        "smtp://shop:hunter2%FF@mail.example:25",
        "smtp://shop:hunter2%0D%0A@mail.example:25",
        "smtp://shop:hunter2#@mail.example:25",
        "smtp://[mail.example:25",
    ],
)
def test_a_mail_servers_address_that_is_not_wholly_understood_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected smtp://") as refused:
        SmtpServer.parse(url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("environ", "sender"),
    [
        ({}, "no-reply@localhost"),
        ({"JOBLINE_PUBLIC_URL": "https://jobline.example/app"}, "no-reply@jobline.example"),
        ({"JOBLINE_PUBLIC_URL": "http://127.0.0.1:8080"}, "no-reply@localhost"),
        ({"JOBLINE_PUBLIC_URL": "http://[::1]:8080"}, "no-reply@localhost"),
        ({"JOBLINE_SMTP_URL": "smtp://shop:secret@mail.example:25"}, "no-reply@localhost"),
        ({"JOBLINE_SMTP_URL": "smtp://shop%40example.com:secret@mail.example:25"}, "shop@example.com"),
        (
            {
                "JOBLINE_SMTP_URL": "smtp://a%40b.de:secret@mail.example:25",
                "JOBLINE_MAIL_FROM": "Shop <shop@example.com>",
            },
            "shop@example.com",
        ),
    ],
)
def test_mails_are_from_whom_the_settings_name_first(environ: dict[str, str], sender: str) -> None:
    assert read(**environ).sender.address.spec == sender


@pytest.mark.parametrize(
    ("url", "exposes"),
    [
        ("smtp://mail.example:25", False),
        ("smtp://shop:secret@mail.example:25", True),
        ("smtp://shop:secret@localhost:25", False),
        ("smtp://shop:secret@mail.example:25?starttls=1", False),
    ],
)
async def test_an_operator_is_told_of_a_password_that_travels_in_the_clear(
    caplog: pytest.LogCaptureFixture, url: str, exposes: bool
) -> None:
    async with open_providers(ProviderConfig(messages=read(JOBLINE_SMTP_URL=url)), {}):
        assert ("JOBLINE_SMTP_URL sends its password unencrypted" in caplog.text) == exposes
    assert "secret" not in caplog.text


async def test_an_operator_is_told_of_a_twilio_account_that_nobody_sends_from(caplog: pytest.LogCaptureFixture) -> None:
    async with open_providers(ProviderConfig(messages=read(**TWILIO)), {}):
        assert "JOBLINE_TWILIO_FROM is not set" in caplog.text
