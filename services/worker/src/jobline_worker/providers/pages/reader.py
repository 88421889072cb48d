"""The safe page reader: what the safe fetcher brings, as title and main text."""

from __future__ import annotations

import asyncio
import ssl

from jobline_worker.providers.pages import Page, PageUnreadable
from jobline_worker.providers.pages.addresses import AllowList
from jobline_worker.providers.pages.extraction import extract_text
from jobline_worker.providers.pages.fetcher import FetchLimits, SafePageFetcher, within
from jobline_worker.providers.pages.transport import Resolver, resolve_with_system

__all__ = ["SafePageReader"]


class SafePageReader:
    """Reads pages from the open web; the time of the limits counts the extraction of the text, too.

    The arguments are those of SafePageFetcher.
    """

    def __init__(
        self,
        allow: AllowList | None = None,
        limits: FetchLimits | None = None,
        resolve: Resolver = resolve_with_system,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._limits = limits or FetchLimits()
        self._fetcher = SafePageFetcher(allow, self._limits, resolve, tls)

    async def read(self, url: str) -> Page:
        """The page's title and main text. Raises PageUnreadable, whatever the reason."""
        async with within(self._limits.seconds):
            fetched = await self._fetcher.fetch(url)
            title, text = await asyncio.to_thread(extract_text, fetched.body, fetched.content_type)
        if not text:
            raise PageUnreadable("the page has no text")
        return Page(url, title, text)
