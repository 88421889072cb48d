"""Which requests come from our own pages.

A browser adds its cookies to requests that another site makes it send, and says where a request that changes something
comes from.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers

__all__ = ["OwnOrigin"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


class OwnOrigin:
    """Knows our own pages: those of the host that was asked, and of `public_url`, which may be empty."""

    def __init__(self, public_url: str) -> None:
        parts = urlsplit(public_url)
        self._public_host = _host(parts.netloc, parts.scheme)

    def is_foreign(self, headers: Headers) -> bool:
        """Does a request with these headers come from a page of another host? Without a word about it, it does not."""
        if headers.get("sec-fetch-site", "").strip().lower() == "cross-site":
            return True
        origin = headers.get("origin")
        if origin is None:
            return False
        try:
            parts = urlsplit(origin.strip())
            host = _host(parts.netloc, parts.scheme)
            own = _host(headers.get("host", ""), parts.scheme)
        except ValueError:
            return True
        return not host or host not in (own, self._public_host)


def _host(netloc: str, scheme: str) -> str:
    """`host:port` of an address, with the scheme's port where none is given; empty when there is no host.

    Raises ValueError for a bad port.
    """
    parts = urlsplit(f"//{netloc}")
    if not parts.hostname:
        return ""
    return f"{parts.hostname.lower()}:{parts.port or _DEFAULT_PORTS.get(scheme, 0)}"
