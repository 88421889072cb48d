"""The safe page fetcher: any address in, a public page out, within fixed time, size and number of redirects.

Everything that goes wrong is PageUnreadable, in words that are made here: what servers and libraries say about it goes
to the debug log only (fault catalogue, F28).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from jobline_worker.providers.bounded_body import ACCEPT_ENCODING, BodyTooLarge, UnreadableBody, read_body
from jobline_worker.providers.pages import FetchedPage, PageUnreadable
from jobline_worker.providers.pages.addresses import AllowList
from jobline_worker.providers.pages.transport import (
    AddressRefused,
    HostUnknown,
    PinnedTransport,
    Resolver,
    resolve_with_system,
)

__all__ = ["WEBSITE_LIMITS", "FetchLimits", "SafePageFetcher", "within"]

logger = logging.getLogger(__name__)

MAX_REDIRECTS = 5
#: Redirects to longer addresses are not followed; it is also what the jobs API accepts.
MAX_ADDRESS_LENGTH = 2048
_MIB = 1024 * 1024
_HTML_TYPES = ("text/html", "application/xhtml+xml")


@dataclass(frozen=True)
class FetchLimits:
    """Time (name resolution, redirects and body together), size after decompression, and kind of one page.

    HTML is always taken; plain text only where `plain_text` says so.
    """

    seconds: float = 10.0
    max_bytes: int = _MIB
    plain_text: bool = True

    @property
    def media_types(self) -> tuple[str, ...]:
        return (*_HTML_TYPES, "text/plain") if self.plain_text else _HTML_TYPES


#: What the website analysis promises its users.
WEBSITE_LIMITS = FetchLimits(seconds=15.0, max_bytes=2 * _MIB, plain_text=False)


class SafePageFetcher:
    """Fetches pages from the open web. `resolve` is the one way from a name to addresses.

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

    async def fetch(self, url: str) -> FetchedPage:
        """The page. Raises PageUnreadable, whatever the reason."""
        try:
            async with within(self._limits.seconds):
                return await self._follow(url)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, BodyTooLarge, UnreadableBody) as error:
            logger.debug("page %s not fetched: %r", url, error)
            raise PageUnreadable(_reason(error, self._limits)) from error

    async def _follow(self, url: str) -> FetchedPage:
        """Follows redirects by hand, so that each target passes the transport's checks as a new request."""
        async with self._client() as client:
            target = httpx.URL(url)
            for hop in range(MAX_REDIRECTS + 1):
                async with _refusals_say_where(hop), client.stream("GET", target) as response:
                    if not response.has_redirect_location:
                        self._check_answer(response)
                        body = await read_body(response, self._limits.max_bytes)
                        return FetchedPage(url, str(target), response.headers.get("content-type", ""), body)
                    target = _redirect(target, response.headers["location"])
        raise PageUnreadable(f"more than {MAX_REDIRECTS} redirects")

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=PinnedTransport(self._allow, self._resolve, self._tls),
            trust_env=False,
            timeout=self._limits.seconds,
            headers={
                "Accept": ",".join(self._limits.media_types),
                "Accept-Encoding": ACCEPT_ENCODING,
                "User-Agent": "jobline-worker (page reader)",
            },
        )

    def _check_answer(self, response: httpx.Response) -> None:
        if response.status_code != httpx.codes.OK:
            raise PageUnreadable(f"HTTP {response.status_code}")
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in self._limits.media_types:
            raise PageUnreadable("neither HTML nor plain text" if self._limits.plain_text else "not an HTML page")


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """At most so many seconds for the block; then PageUnreadable."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise PageUnreadable(f"not read within {seconds:g} seconds") from error


@asynccontextmanager
async def _refusals_say_where(hop: int) -> AsyncIterator[None]:
    """A refused address is the user's own at first, and a redirect's afterwards: users cannot see the difference."""
    try:
        yield
    except AddressRefused as error:
        raise PageUnreadable(f"{error} (after a redirect)" if hop else str(error)) from error


def _redirect(source: httpx.URL, location: str) -> httpx.URL:
    target = source.join(location)
    if len(str(target)) > MAX_ADDRESS_LENGTH:
        raise PageUnreadable(f"a redirect leads to an address of more than {MAX_ADDRESS_LENGTH} characters")
    return target


def _reason(error: Exception, limits: FetchLimits) -> str:
    """What went wrong, for the user who named the page."""
    match error:
        case BodyTooLarge():
            return f"larger than {_size(limits.max_bytes)}"
        case UnreadableBody():
            return "the page's compression cannot be read"
        case httpx.InvalidURL() | httpx.UnsupportedProtocol() | UnicodeError():  # of `idna`, for a broken "xn--" name
            return "not a valid web address"
        case httpx.TimeoutException():
            return f"not read within {limits.seconds:g} seconds"
        case HostUnknown():
            return "the host name cannot be resolved"
        case httpx.ConnectError() if _is_about_tls(error):
            return "no secure connection: the server's certificate is not valid, or it does not speak TLS"
        case httpx.ConnectError():
            return "the server cannot be reached"
        case _:
            return "the server broke off its answer, or it does not speak HTTP"


def _is_about_tls(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None


def _size(count: int) -> str:
    return f"{count} bytes" if count % _MIB else f"{count // _MIB} MiB"
