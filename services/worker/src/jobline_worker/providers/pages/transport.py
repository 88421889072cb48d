"""An HTTP transport that connects only to addresses that were checked.

Checking a name and then letting the HTTP client resolve it again leaves a gap: a name server may answer with a public
address first and a private one a moment later (DNS rebinding). Here the name is resolved once, every answer is
checked, and the request goes to the checked address itself, with the name kept in the Host header and in the TLS
handshake (so certificates are verified against the name). Nothing below this transport ever sees a name to resolve.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx

from jobline_worker.providers.pages.addresses import Address, AllowList, is_public, parse_address, port_allowed

__all__ = ["AddressRefused", "HostUnknown", "PinnedTransport", "Resolver", "resolve_with_system"]

#: Gives the addresses of (host, port), as texts. Raises OSError when there are none.
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

#: A question to a name server cannot be called back: one that never answers keeps its thread for half a minute. So they
#: have threads of their own, and names that strangers choose cannot take those of other work.
_RESOLVING = ThreadPoolExecutor(max_workers=16, thread_name_prefix="resolve")

#: A host with many addresses gets this many connection tries.
MAX_ADDRESSES_TRIED = 3


class AddressRefused(Exception):
    """The address may not be fetched: scheme, port, userinfo, or a host with an address that is not public."""


class HostUnknown(httpx.ConnectError):
    """The host's name has no addresses."""


async def resolve_with_system(host: str, port: int) -> Sequence[str]:
    """The system resolver. It also reads the odd spellings of IPv4 (decimal, octal, hexadecimal)."""
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_RESOLVING, ask)
    return [str(sockaddr[0]) for *_, sockaddr in found]


class PinnedTransport(httpx.AsyncBaseTransport):
    """Resolves, checks and pins the address of every request, so also of every redirect.

    Connections are not kept: a kept one is found again by its address, and another name behind the same address would
    be served by a connection whose certificate was verified for the first name.
    """

    def __init__(self, allow: AllowList, resolve: Resolver, verify: ssl.SSLContext) -> None:
        self._allow = allow
        self._resolve = resolve
        self._inner = httpx.AsyncHTTPTransport(
            verify=verify, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host, port = self._check_target(request.url)
        failure: httpx.TransportError | None = None
        for address in (await self._checked_addresses(host, port))[:MAX_ADDRESSES_TRIED]:
            try:
                return await self._inner.handle_async_request(_pinned(request, host, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        assert failure is not None, "a host has at least one address"
        raise failure

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _check_target(self, url: httpx.URL) -> tuple[str, int]:
        if url.scheme not in ("http", "https"):
            raise AddressRefused("only http and https are fetched")
        if url.userinfo:
            raise AddressRefused("an address with a user name is not fetched")
        port = url.port if url.port is not None else (443 if url.scheme == "https" else 80)
        if not port_allowed(port):
            raise AddressRefused("only the ports 80, 443 and those above 1023 are fetched")
        if not url.host:
            raise AddressRefused("the address has no host")
        return url.host, port

    async def _checked_addresses(self, host: str, port: int) -> list[Address]:
        try:
            answers = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise HostUnknown(f"the host name cannot be resolved ({type(error).__name__})") from error
        if not answers:
            raise HostUnknown("the host name has no address")
        addresses = list(dict.fromkeys(parse_address(answer) for answer in answers))
        for address in addresses:
            if address is None or not (is_public(address) or self._allow.covers(host, address)):
                raise AddressRefused("the address is not public")
        # IPv4 first: many hosts that run workers have no IPv6 route.
        return sorted((address for address in addresses if address is not None), key=lambda address: address.version)


def _pinned(request: httpx.Request, host: str, address: Address) -> httpx.Request:
    """The same request, addressed to `address`. Its Host header was set from the name and stays."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        extensions={**request.extensions, "sni_hostname": host.rstrip(".")},
    )
