"""Mail servers for tests of things that send mail: a real one that can refuse, hang and cut, and one that plays a script.

    async with mail_server(acts={"RCPT": "550 5.1.1 No such user"}) as server:
        ...
        assert server.mails == []

The real one is aiosmtpd, in the test's own loop. It keeps every byte that clients said, so that a test can count commands.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

__all__ = ["CUT", "HANG", "HOLD", "Mail", "MailServer", "certificate_for", "mail_server", "scripted_server"]

#: What an act may be instead of an answer: say nothing more, end the connection, or wait for `release`.
HANG, CUT, HOLD = "hang", "cut", "hold"


@dataclass(frozen=True)
class Mail:
    """One mail that the server has taken, with its envelope."""

    sender: str
    recipients: tuple[str, ...]
    options: tuple[str, ...]
    content: bytes

    @property
    def read(self) -> EmailMessage:
        """What a mail program makes of it."""
        return cast(EmailMessage, message_from_bytes(self.content, policy=policy.default))


@dataclass
class MailServer:
    """What was said to the server and what it took.

    `acts` maps a command to its answer, or to HANG, CUT or HOLD; a list is used up, one for each time.
    """

    acts: dict[str, str | list[str]]
    users: Mapping[str, str]
    port: int = 0
    mails: list[Mail] = field(default_factory=list)
    said: bytearray = field(default_factory=bytearray)
    logins: list[str] = field(default_factory=list)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    holding: int = 0
    release: asyncio.Event = field(default_factory=asyncio.Event)
    host: str = "localhost"

    @property
    def url(self) -> str:
        return f"smtp://{self.host}:{self.port}"

    @property
    def commands(self) -> list[str]:
        """The lines of what was said outside of mails."""
        lines, inside = [], False
        for line in self.said.decode("utf-8", "replace").split("\r\n"):
            if inside:
                inside = line != "."
            elif line:
                lines.append(line)
                inside = line == "DATA" and "DATA" not in self.acts
        return lines

    # ---- the hooks of aiosmtpd: the answer, or MISSING for its own ----------------------------------------------------

    async def handle_EHLO(self, server: SMTP, session: Session, envelope: Envelope, host: str, answers: Any) -> Any:
        session.host_name = host
        refusal = await self._act(server, "EHLO", "")
        return [refusal] if refusal else answers

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Sequence[str]
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return await self._act(server, "MAIL", "250 OK")

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Sequence[str]
    ) -> str:
        answer = await self._act(server, "RCPT", "250 OK")
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = await self._act(server, "CONTENT", "250 taken")
        if answer.startswith("2"):
            sender, recipients = str(envelope.mail_from), tuple(map(str, envelope.rcpt_tos))
            content = cast(bytes, envelope.original_content)
            self.mails.append(Mail(sender, recipients, tuple(envelope.mail_options), content))
        return answer

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        return await self._act(server, "QUIT", "221 Bye")

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        name, password = data.login.decode(), data.password.decode()
        self.logins.append(name)
        if self.users.get(name) == password:
            return AuthResult(success=True)
        message = f"535 5.7.8 Wrong password {password} for {name}\u0007"
        return AuthResult(success=False, handled=False, message=message)

    async def _act(self, server: SMTP, command: str, answer: str) -> str:
        act = self.acts.get(command, answer)
        if isinstance(act, list):
            act = act.pop(0) if act else answer
        if act == CUT:
            assert server.transport is not None
            server.transport.abort()
        if act in (CUT, HANG):
            await self.closing.wait()
        if act == HOLD:
            self.holding += 1
            await self.release.wait()
        return answer if act == HOLD else act


class _Listening(SMTP):
    """Keeps what arrives; STARTTLS makes a second reader of it, whose bytes are the decrypted ones."""

    def data_received(self, data: bytes) -> None:
        self.event_handler.said += data
        super().data_received(data)


@asynccontextmanager
async def mail_server(
    *,
    acts: Mapping[str, str | list[str]] | None = None,
    users: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    utf8: bool = True,
) -> AsyncIterator[MailServer]:
    """A server on a free port until the block ends. With `tls` it offers STARTTLS and takes mail only after it; with
    `users` (name → password) it knows these, and over an encrypted connection takes mail only after a login."""
    state = MailServer(dict(acts or {}), users or {})

    def speak() -> SMTP:
        return _Listening(
            state,
            hostname="mail.test",
            tls_context=tls,
            require_starttls=tls is not None,
            authenticator=state.authenticate,
            auth_required=users is not None and tls is not None,
            auth_require_tls=tls is not None,
            enable_SMTPUTF8=utf8,
            timeout=60,
        )

    server = await asyncio.get_running_loop().create_server(speak, state.host, 0)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        state.closing.set()
        server.close()


@asynccontextmanager
async def scripted_server(*answers: bytes, then: str = CUT) -> AsyncIterator[str]:
    """A server that says the first answer as its greeting and one more to every line, then hangs or cuts; its URL."""
    closing = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for answer in answers:
                writer.write(answer)
                await writer.drain()
                await reader.readline()
            if then == HANG:
                await closing.wait()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    try:
        yield f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        closing.set()
        server.close()


def certificate_for(host: str, folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS for `host`, and the file of the authority that vouches for it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    authority_file = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(authority_file))
    return context, authority_file
