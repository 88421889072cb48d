"""How a provider call can go wrong, in the two words that the worker acts on: try again, or give up.

Steps need one more distinction: a provider that did not answer at all (`NoAnswer`) is told to the user in other words
than one that answered badly. Messages are short sentences that are shown to users: no address, no key, no page of
upstream text.
"""

from __future__ import annotations

import re

from jobline.worker import PermanentError, TransientError
from jobline_worker.providers.storable import storable

__all__ = [
    "BadAnswer",
    "NoAnswer",
    "ProviderTimeout",
    "ProviderUnreachable",
    "Refused",
    "TemporarilyRefused",
    "excerpt",
]

#: How much of an upstream error body a message repeats, in characters.
EXCERPT_LENGTH = 200

_SECRETS = re.compile(r"(?i)\b(?:bearer\s+\S+|(?:sk|key|pk|rk)-[\w*-]{6,}|api[_-]?key[\"']?\s*[:=]\s*[\"']?[\w*-]+)")


class NoAnswer(TransientError):
    """The provider could not be reached, or did not answer in time."""


class ProviderTimeout(NoAnswer):
    """No complete answer within the time limit."""

    def __init__(self, provider: str, seconds: float) -> None:
        super().__init__(f"{provider} timeout: no answer within {seconds:g} seconds")


class ProviderUnreachable(NoAnswer):
    """The connection could not be made, or broke before the answer was complete."""


class TemporarilyRefused(TransientError):
    """HTTP 408, 425, 429 or 5xx: the same request may be answered later.

    `retry_after` is how many seconds the provider wants to be left alone; None: it does not say.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BadAnswer(TransientError):
    """A complete answer that cannot be used: not the promised structure, or too large."""


class Refused(PermanentError):
    """Any other HTTP error: the same request will be refused again.

    `status` is the HTTP status, `body` the (bounded) upstream body, for a caller that can adapt its request.
    """

    def __init__(self, message: str, status: int, body: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = body


def excerpt(text: str, *secrets: str, length: int = EXCERPT_LENGTH) -> str:
    """The start of an upstream text on one line, without `secrets` and without what looks like a key.

    At most `length` characters; a cut text ends in "…".
    """
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    line = " ".join(_SECRETS.sub("***", text[: 20 * length]).split())
    printable = "".join(character for character in storable(line) if character.isprintable())
    return printable if len(printable) <= length else printable[: length - 1] + "…"
