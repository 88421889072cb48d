"""Builds the e-mail: RFC 5322 headers that hold what they were given and nothing else, and a body of plain text.

Python's header classes parse what they are given and fold what they parsed. That is right for an operator's sender, but
not for texts of strangers: a subject that looks like an encoded word would be decoded, a long address be taken apart.
The three headers that carry such texts have classes of their own, which write them out exactly.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email import policy
from email.header import Header
from email.headerregistry import Address, BaseHeader, HeaderRegistry
from email.message import EmailMessage
from email.policy import Policy
from typing import Any

from jobline_worker.providers.messages import Message
from jobline_worker.providers.messages.mail_address import LINE_BREAKERS, MailAddress, Sender

__all__ = ["compose", "message_id", "subject_line"]

#: Characters of a header line that every program shows; longer ones are folded.
_LINE_LENGTH = 76


class _Exact(BaseHeader):
    """A header whose text is written out on one line, unparsed."""

    max_count = 1

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        kwds["decoded"] = value
        kwds["parse_tree"] = None

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


class _Text(_Exact):
    """A header for people: as it is where every reader shows it so, else in the encoded words of RFC 2047."""

    def fold(self, *, policy: Policy) -> str:
        text = str(self)
        if not text.isascii() or "=?" in text or len(self.name) + 2 + len(text) > _LINE_LENGTH:
            words = Header(text, "utf-8", maxlinelen=_LINE_LENGTH, header_name=self.name)
            text = words.encode(linesep=policy.linesep)
        return f"{self.name}: {text}{policy.linesep}"


def _headers() -> HeaderRegistry:
    registry = HeaderRegistry(base_class=BaseHeader)
    registry.map_to_type("to", _Exact)
    registry.map_to_type("message-id", _Exact)
    registry.map_to_type("subject", _Text)
    return registry


#: Bodies are encoded in 7 bits, so that no server on the way has to change them.
_POLICY = policy.SMTP.clone(header_factory=_headers(), cte_type="7bit")


def compose(message: Message, sender: Sender, recipient: MailAddress) -> EmailMessage:
    """The e-mail for one recipient. Serialised, it is ASCII unless the recipient's or the sender's address is not."""
    mail = EmailMessage(policy=_POLICY)
    mail["Date"] = datetime.now(UTC)
    mail["From"] = Address(sender.name, sender.address.local, sender.address.domain)
    mail["To"] = recipient.spec
    subject = subject_line(message.subject)
    if subject:
        mail["Subject"] = subject
    mail["Message-ID"] = message_id(message, sender)
    _set_body(mail, message.body)
    return mail


def message_id(message: Message, sender: Sender) -> str:
    """The Message-ID of a message: the same on every attempt, so that who gets it twice can drop one."""
    return f"<{message.job_id}@{sender.address.domain}>"


def subject_line(subject: str) -> str:
    """The subject on one line: line breaks and other control characters become spaces."""
    return LINE_BREAKERS.sub(" ", subject).strip()


def _set_body(mail: EmailMessage, body: str) -> None:
    """Line breaks of every kind become CRLF. NUL and its kin must not travel bare, the other encodings are chosen by
    the library."""
    if LINE_BREAKERS.search(body.translate({ord("\n"): None, ord("\r"): None, ord("\t"): None})):
        mail.set_content(body, cte="quoted-printable")
    else:
        mail.set_content(body)
