"""Reading the page behind a search result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Page", "PageReader", "PageUnreadable"]


class PageUnreadable(Exception):
    """The page cannot be used: not public, too large, too slow, not text, an error status, or without text.

    Never fails a job: the caller goes on without the page. The message is for the log; it is not shown to users,
    because it would tell them what our network looks like from inside.
    """


@dataclass(frozen=True)
class Page:
    """A page's readable text: the address it was asked for by, its title (may be empty) and its main text."""

    url: str
    title: str
    text: str


class PageReader(Protocol):
    async def read(self, url: str) -> Page:
        """The page's text. Raises PageUnreadable."""
        ...
