"""What a page links to, as addresses that are fit to be shown and followed by others."""

from __future__ import annotations

import re
from urllib.parse import unquote, urljoin, urlsplit

from lxml.html import HtmlElement

__all__ = ["MAX_ADDRESS_LENGTH", "base_address", "host_of", "web_address", "web_or_contact_address"]

MAX_ADDRESS_LENGTH = 2048
#: Browsers ignore these inside an address, so that "java\\nscript:" is a script all the same.
_IGNORED = re.compile("[\x00-\x1f\x7f]")
_PHONE = re.compile(r"[+*#0-9][-+*#0-9().,;ext/ ]{2,39}", re.I)
_MAIL = re.compile(r"[^\s@<>\"]{1,64}@[^\s@<>\"?]{1,255}(\?[^\s<>\"]{0,500})?")


def base_address(root: HtmlElement, url: str) -> str:
    """What the page's relative links are relative to."""
    declared = next(iter(root.xpath("//base/@href")), "")
    return web_address(url, declared) or url


def web_address(base: str, href: str) -> str:
    """The absolute http(s) address of a link, or empty: a script, data, a broken one, one with a user name in it."""
    try:
        address = urljoin(base, _IGNORED.sub("", href).strip())
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            return ""
    except ValueError:
        return ""
    return address.replace(" ", "%20") if len(address) <= MAX_ADDRESS_LENGTH else ""


def web_or_contact_address(base: str, href: str) -> str:
    """The absolute http(s) address of a link, its `tel:` or `mailto:` address, or empty."""
    scheme, _, rest = _IGNORED.sub("", href).strip().partition(":")
    match scheme.lower():
        case "tel":
            number = unquote(rest[:100]).strip()
            return f"tel:{number}" if _PHONE.fullmatch(number) else ""
        case "mailto":
            return f"mailto:{rest}" if _MAIL.fullmatch(rest[:1000]) else ""
        case _:
            return web_address(base, href)


def host_of(url: str) -> str:
    """The host name without `www.`; empty where there is none."""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""
