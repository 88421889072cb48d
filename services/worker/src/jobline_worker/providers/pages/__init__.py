"""Reading pages of the open web: as they were served, or as their readable text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["FetchedPage", "Page", "PageFetcher", "PageReader", "PageUnreadable"]


class PageUnreadable(Exception):
    """The page cannot be used: not public, too large, too slow, of the wrong kind, an error status, or without text.

    The message says what is wrong with the page in words fit for the user who named it. It never holds what a server,
    a name server or a library said: that would tell strangers what our network looks like from inside.
    """


@dataclass(frozen=True)
class FetchedPage:
    """A page as it was served: asked for by `url`, answered by `final_url` after redirects, decompressed."""

    url: str
    final_url: str
    content_type: str
    body: bytes


class PageFetcher(Protocol):
    async def fetch(self, url: str) -> FetchedPage:
        """The page. Raises PageUnreadable."""
        ...


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
