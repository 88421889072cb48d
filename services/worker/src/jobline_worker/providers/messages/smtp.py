"""E-mail over SMTP: one connection a message, STARTTLS that cannot be talked away, and one limit for the whole of it.

The library speaks the protocol. What is decided here: certificates are verified, no password goes out where STARTTLS was
asked for and did not happen, the server's own words become the failure's, and a server that has taken the message is
never made to look as if it had not (a hanging QUIT would send the message twice).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
from typing import cast

import aiosmtplib
import certifi

from jobline_worker.providers.messages import SEND_SECONDS, Message, Receipt
from jobline_worker.providers.messages.failures import DeliveryFailed, DeliveryTimeout
from jobline_worker.providers.messages.mail import compose
from jobline_worker.providers.messages.mail_address import MailAddress, Sender
from jobline_worker.providers.messages.smtp_server import SmtpServer

__all__ = ["SmtpMessenger"]

#: Seconds that a server which has taken the message may take to say goodbye.
_GOODBYE_SECONDS = 1.0


class SmtpMessenger:
    """One mail server. `timeout` is the limit of one message in seconds, connecting and encrypting included."""

    def __init__(self, server: SmtpServer, sender: Sender, timeout: float = SEND_SECONDS) -> None:
        self._server = server
        self._sender = sender
        self._timeout = timeout
        self._tls = _trusting_the_system()
        self._secrets = _spellings(server)

    async def send(self, message: Message) -> Receipt:
        """Returns once the server has taken the message. Raises DeliveryError."""
        try:
            recipient = MailAddress.parse(message.recipient)
        except ValueError as error:
            raise self._failed(str(error)) from error
        mail = compose(message, self._sender, recipient)
        smtp = self._client()
        try:
            async with asyncio.timeout(self._timeout):
                await smtp.connect()
                await smtp.send_message(mail, sender=self._sender.address.spec, recipients=[recipient.spec])
            await _say_goodbye(smtp)
        except (aiosmtplib.SMTPException, OSError) as error:
            if _is_timeout(error):
                raise DeliveryTimeout from error
            raise self._failed(_words(error)) from error
        finally:
            _drop(smtp)
        return Receipt("smtp", str(mail["Message-ID"]))

    def _client(self) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=self._server.host,
            port=self._server.port,
            username=self._server.user or None,
            password=self._server.password or None,
            local_hostname=_own_name(),
            start_tls=self._server.starttls,
            tls_context=self._tls,
            timeout=None,
        )

    def _failed(self, said: str) -> DeliveryFailed:
        return DeliveryFailed("SMTP", said, *self._secrets)


async def _say_goodbye(smtp: aiosmtplib.SMTP) -> None:
    """The message is taken; whatever goes wrong from here on is no failure of it."""
    with contextlib.suppress(aiosmtplib.SMTPException, OSError):
        async with asyncio.timeout(_GOODBYE_SECONDS):
            await smtp.quit()


def _drop(smtp: aiosmtplib.SMTP) -> None:
    """Ends the connection now: closing it in order would wait for a server that has stopped reading."""
    transport = cast("asyncio.Transport | None", smtp.transport)
    smtp.close()
    if transport is not None:
        transport.abort()


def _is_timeout(error: Exception) -> bool:
    """Whether time has run out. The library also says so of a connection that was cut during the TLS handshake."""
    return isinstance(error, TimeoutError) and not isinstance(error.__cause__, ConnectionAbortedError)


def _words(error: Exception) -> str:
    """What the server said, or what happened to the connection; neither address nor port."""
    match error:
        case aiosmtplib.SMTPRecipientsRefused():
            return _words(error.recipients[0])
        case aiosmtplib.SMTPResponseException():
            return f"{error.code} {error.message}" if error.code > 0 else error.message
        case aiosmtplib.SMTPConnectError():
            return f"the server could not be reached ({type(error.__cause__ or error).__name__})"
        case ssl.SSLCertVerificationError():
            return f"the server's certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return f"the connection could not be encrypted ({error.reason or type(error).__name__})"
        case OSError():
            return "the connection to the server broke"
        case aiosmtplib.SMTPException():
            return error.message
        case _:
            raise AssertionError(f"not an error of SMTP: {error!r}")


def _own_name() -> str:
    """What we greet servers with: the host's name, or where that is not a full one the address literal that is
    accepted in its place."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() and name.isprintable() and " " not in name else "[127.0.0.1]"


def _trusting_the_system() -> ssl.SSLContext:
    """Trusts what the system (or SSL_CERT_FILE) does; where that names no authority at hand, Mozilla's list."""
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"]:
        context.load_verify_locations(certifi.where())
    return context


def _spellings(server: SmtpServer) -> tuple[str, ...]:
    """The password as a server could repeat it: as AUTH PLAIN and AUTH LOGIN encode it, and plain; the longest first,
    for the next is a part of it."""
    if not server.password:
        return ()
    user, password = server.user.encode(), server.password.encode()
    encoded = (base64.b64encode(text).decode("ascii") for text in (b"\0" + user + b"\0" + password, password))
    return (*encoded, server.password)
