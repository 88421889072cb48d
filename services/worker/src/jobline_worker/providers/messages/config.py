"""The settings of the message providers, checked together: half an account is refused, not used."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

import httpx

from jobline.runtime import Settings
from jobline_worker.providers.http import http_url
from jobline_worker.providers.messages.mail_address import MailAddress, Sender
from jobline_worker.providers.messages.sendgrid import SendGridAccount
from jobline_worker.providers.messages.smtp_server import SmtpServer
from jobline_worker.providers.messages.twilio import TwilioAccount, read_senders

__all__ = ["MessageConfig"]

_SENDGRID_URL = "https://api.sendgrid.com"
_TWILIO_URL = "https://api.twilio.com"


@dataclass(frozen=True)
class MessageConfig:
    """Which outside providers there are; what nobody serves goes to the outbox. Mails are from `sender`."""

    smtp: SmtpServer | None = None
    sendgrid: SendGridAccount | None = None
    twilio: TwilioAccount | None = None
    sender: Sender = field(default_factory=lambda: Sender(MailAddress("no-reply", "localhost")))

    @classmethod
    def read(cls, settings: Settings) -> MessageConfig:
        """Raises SettingsError that names the setting which is wrong, or missing beside another one."""
        smtp = settings.parse("JOBLINE_SMTP_URL", None, SmtpServer.parse)
        return cls(
            smtp=smtp,
            sendgrid=_sendgrid(settings),
            twilio=_twilio(settings),
            sender=settings.parse("JOBLINE_MAIL_FROM", None, Sender.parse) or _default_sender(settings, smtp),
        )


def _sendgrid(settings: Settings) -> SendGridAccount | None:
    url = settings.parse("JOBLINE_SENDGRID_URL", "", http_url)
    key = settings.parse("JOBLINE_SENDGRID_API_KEY", "", _one_word)
    if not url and not key:
        return None
    settings.require(
        "JOBLINE_SENDGRID_API_KEY", "", "JOBLINE_SENDGRID_URL is, and SendGrid answers nobody without a key"
    )
    return SendGridAccount(url or _SENDGRID_URL, key)


def _twilio(settings: Settings) -> TwilioAccount | None:
    url = settings.parse("JOBLINE_TWILIO_URL", "", http_url)
    sid = settings.parse("JOBLINE_TWILIO_ACCOUNT_SID", "", _one_word)
    token = settings.parse("JOBLINE_TWILIO_AUTH_TOKEN", "", _one_word)
    senders: dict[str, str] = settings.parse("JOBLINE_TWILIO_FROM", {}, read_senders)
    if not (url or sid or token or senders):
        return None
    for name in ("JOBLINE_TWILIO_ACCOUNT_SID", "JOBLINE_TWILIO_AUTH_TOKEN"):
        settings.require(name, "", "another JOBLINE_TWILIO_… setting is, and Twilio needs account and token")
    return TwilioAccount(url or _TWILIO_URL, sid, token, senders)


def _default_sender(settings: Settings, smtp: SmtpServer | None) -> Sender:
    """The user of the mail server where that is an address, else nobody in particular at our own host."""
    if smtp and "@" in smtp.user:
        try:
            return Sender(MailAddress.parse(smtp.user))
        except ValueError:
            pass
    host = httpx.URL(settings.parse("JOBLINE_PUBLIC_URL", "", http_url)).host
    return Sender(MailAddress.parse(f"no-reply@{host if host and not _is_ip(host) else 'localhost'}"))


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _one_word(value: str) -> str:
    """What can stand in a header as it is. The value is not repeated: it is a secret."""
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("expected printable ASCII characters without spaces")
    return value
