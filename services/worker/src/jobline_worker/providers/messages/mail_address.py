"""Mail addresses that cannot break out of the place where they are put: an SMTP command, a header line, a JSON text.

The surface takes any text on both sides of one `@`. Here it becomes the mailbox of RFC 5321 that it stands for, quoted
where it has to be, or it is refused; nothing is left over that a server could read as another recipient or parameter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.policy import default as parsing
from typing import cast

import idna

__all__ = ["LINE_BREAKERS", "MailAddress", "Sender"]

#: What must not stand in one line of text: control characters, line and paragraph separators, lone surrogates.
LINE_BREAKERS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

#: Octets that a mailbox may have so that a path of 256 holds it (RFC 5321, section 4.5.3.1.3).
_MAX_OCTETS = 254

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_NEEDS_NO_QUOTES = re.compile(r'[^\s"(),.:;<>@\[\\\]]+(?:\.[^\s"(),.:;<>@\[\\\]]+)*')
_ASCII_DOMAIN = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[[A-Za-z0-9.:]+\]")


@dataclass(frozen=True)
class MailAddress:
    """One mailbox: the local part without quotes, and the domain in ASCII."""

    local: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> MailAddress:
        """Reads `local@domain`, with or without quotes around `local`. Raises ValueError, which repeats nothing of it."""
        local, _, domain = text.strip().rpartition("@")
        quoted = _QUOTED.fullmatch(local)
        if quoted:
            local = re.sub(r"\\(.)", r"\1", quoted[1])
        if not local or LINE_BREAKERS.search(local):
            raise ValueError("the address is not an e-mail address")
        address = cls(local, _ascii_domain(domain))
        if len(address.spec.encode()) > _MAX_OCTETS:
            raise ValueError(f"the address is longer than {_MAX_OCTETS} octets")
        return address

    @property
    def spec(self) -> str:
        """The address as it stands in commands and headers; ASCII unless its local part is not."""
        if _NEEDS_NO_QUOTES.fullmatch(self.local):
            return f"{self.local}@{self.domain}"
        escaped = re.sub(r'(["\\])', r"\\\1", self.local)
        return f'"{escaped}"@{self.domain}'


@dataclass(frozen=True)
class Sender:
    """Whom mails are from: an address and, where the setting has one, a name."""

    address: MailAddress
    name: str = ""

    @classmethod
    def parse(cls, value: str) -> Sender:
        """Reads `local@domain` or `Name <local@domain>`. Raises ValueError that says what was expected."""
        expected = "expected an e-mail address, or a name and <an e-mail address>"
        if LINE_BREAKERS.search(value):
            raise ValueError(expected)
        header = parsing.header_factory("From", value)
        if header.defects or len(header.addresses) != 1:
            raise ValueError(expected)
        found = header.addresses[0]
        try:
            return cls(MailAddress.parse(cast(str, found.addr_spec)), found.display_name)
        except ValueError as error:
            raise ValueError(expected) from error


def _ascii_domain(domain: str) -> str:
    if _ASCII_DOMAIN.fullmatch(domain):
        return domain
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except UnicodeError as error:
        raise ValueError("the address has a domain that no mail can go to") from error
