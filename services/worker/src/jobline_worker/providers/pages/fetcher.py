"""The safe page fetcher: any address in, the text of a public page out, within fixed time and size.

The bounds are the product's: 10 s and 1 MiB a page (after decompression), five redirects, HTML and plain text only.
Everything that goes wrong is PageUnreadable.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import dataclass

import httpx

from jobline_worker.providers.bounded_body import ACCEPT_ENCODING, BodyTooLarge, UnreadableBody, read_body
from jobline_worker.providers.pages import Page, PageUnreadable
from jobline_worker.providers.pages.addresses import AllowList
from jobline_worker.providers.pages.extraction import extract_text
from jobline_worker.providers.pages.transport import (
    AddressRefused,
    PinnedTransport,
    Resolver,
    resolve_with_system,
)

__all__ = ["FetchLimits", "SafePageReader"]

logger = logging.getLogger(__name__)

MAX_REDIRECTS = 5
_READABLE_TYPES = frozenset({"text/html", "application/xhtml+xml", "text/plain"})


@dataclass(frozen=True)
class FetchLimits:
    """Time (name resolution, redirects, body and text extraction together) and size of one page."""

    seconds: float = 10.0
    max_bytes: int = 1024 * 1024


class SafePageReader:
    """Reads pages from the open web. `resolve` is the one way from a name to addresses.

    `tls` verifies certificates; unset, against the authorities that browsers trust.
    """

    def __init__(
        self,
        allow: AllowList | None = None,
        limits: FetchLimits | None = None,
        resolve: Resolver = resolve_with_system,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allow = allow or AllowList()
        self._limits = limits or FetchLimits()
        self._resolve = resolve
        self._tls = tls or httpx.create_ssl_context(trust_env=False)

    async def read(self, url: str) -> Page:
        """The page's title and main text. Raises PageUnreadable, whatever the reason."""
        try:
            async with asyncio.timeout(self._limits.seconds):
                response, body = await self._fetch(url)
                title, text = await asyncio.to_thread(extract_text, body, response.headers.get("content-type", ""))
        except TimeoutError as error:
            raise PageUnreadable(f"not read within {self._limits.seconds:g} seconds") from error
        except (httpx.HTTPError, httpx.InvalidURL, AddressRefused, BodyTooLarge, UnreadableBody) as error:
            logger.debug("page %s not read: %s", url, error)
            raise PageUnreadable(str(error) or type(error).__name__) from error
        if not text:
            raise PageUnreadable("the page has no text")
        return Page(url, title, text)

    async def _fetch(self, url: str) -> tuple[httpx.Response, bytes]:
        """Follows redirects by hand, so that each target passes the transport's checks as a new request."""
        async with self._client() as client:
            target = httpx.URL(url)
            for _ in range(MAX_REDIRECTS + 1):
                async with client.stream("GET", target) as response:
                    if response.has_redirect_location:
                        target = target.join(response.headers["location"])
                        continue
                    _check_readable(response)
                    return response, await read_body(response, self._limits.max_bytes)
        raise PageUnreadable(f"more than {MAX_REDIRECTS} redirects")

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=PinnedTransport(self._allow, self._resolve, self._tls),
            trust_env=False,
            timeout=self._limits.seconds,
            headers={
                "Accept": "text/html,application/xhtml+xml,text/plain",
                "Accept-Encoding": ACCEPT_ENCODING,
                "User-Agent": "jobline-worker (page reader)",
            },
        )


def _check_readable(response: httpx.Response) -> None:
    if response.status_code != httpx.codes.OK:
        raise PageUnreadable(f"the page answered HTTP {response.status_code}")
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _READABLE_TYPES:
        raise PageUnreadable("the page is neither HTML nor plain text")
