"""Reads JOBLINE_SMTP_URL: which mail server, as whom, and whether the way there must be encrypted."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from jobline_worker.providers.messages.mail_address import LINE_BREAKERS

__all__ = ["SmtpServer"]

_EXPECTED = "expected smtp://[user:password@]host:port[?starttls=1], with user and password percent-encoded"

_THIS_HOST = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class SmtpServer:
    """`user` and `password` are both empty or both set. With `starttls` nothing is said unencrypted."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    starttls: bool = False

    @property
    def exposes_password(self) -> bool:
        """Whether a password may go over a network in the clear."""
        return bool(self.password) and not self.starttls and self.host not in _THIS_HOST

    @classmethod
    def parse(cls, value: str) -> SmtpServer:
        """Raises ValueError that says what was expected and repeats nothing of the value: it may hold a password."""
        try:
            parts = urlsplit(value)
            port = parts.port
            options = dict(parse_qsl(parts.query, strict_parsing=True) if parts.query else ())
        except ValueError as error:
            raise ValueError(_EXPECTED) from error
        well_formed = parts.scheme == "smtp" and parts.hostname and port and parts.path in ("", "/")
        if not well_formed or not parts.hostname or not port or parts.fragment or LINE_BREAKERS.search(value):
            raise ValueError(_EXPECTED)
        user, password = _credentials(parts)
        return cls(parts.hostname, port, user, password, _starttls(options))


def _credentials(parts: SplitResult) -> tuple[str, str]:
    if "@" not in parts.netloc:
        return "", ""
    try:
        user, password = (unquote(text or "", errors="strict") for text in (parts.username, parts.password))
    except UnicodeDecodeError as error:
        raise ValueError(_EXPECTED) from error
    if not user or not password or LINE_BREAKERS.search(user + password):
        raise ValueError(_EXPECTED)
    return user, password


def _starttls(options: dict[str, str]) -> bool:
    """A misspelt option must not silently mean "unencrypted"."""
    if options.keys() - {"starttls"} or options.get("starttls", "0") not in ("0", "1"):
        raise ValueError(_EXPECTED)
    return options.get("starttls") == "1"
