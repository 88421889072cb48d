"""From a page's bytes to its main text: character set, boilerplate removal, whitespace.

Runs in a thread (parsing a megabyte of HTML would hold up the event loop). trafilatura finds the main text; where it
finds none, which happens on very short or list-like pages, BeautifulSoup gives all visible text.
"""

from __future__ import annotations

import codecs
import logging
from email.message import Message

import trafilatura
from bs4 import BeautifulSoup
from bs4.dammit import EncodingDetector, UnicodeDammit

from jobline_worker.providers.pages.markup import parseable
from jobline_worker.providers.storable import storable

__all__ = ["MAX_TEXT_LENGTH", "decode", "extract_text"]

#: A page contributes at most this many characters, so that six pages stay cheap to digest.
MAX_TEXT_LENGTH = 100_000

_UNSEEN = ("script", "style", "noscript", "template", "svg", "nav", "header", "footer", "form")
_NOT_CHARSETS = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "utf-7", "undefined"})

# Its warnings are about single pages, which the caller handles and logs.
logging.getLogger("trafilatura").setLevel(logging.CRITICAL)


def extract_text(body: bytes, content_type: str) -> tuple[str, str]:
    """Title (may be empty) and main text (empty when there is none) of an HTML or plain-text page."""
    header = Message()
    header["content-type"] = content_type
    is_html = header.get_content_type() != "text/plain"
    source = decode(body, header.get_content_charset(), is_html)
    if not is_html:
        return "", _tidy(source)
    source = parseable(source)
    document = trafilatura.bare_extraction(source, include_comments=False, with_metadata=True)
    text = getattr(document, "text", None) or ""
    title = getattr(document, "title", None) or ""
    if not text.strip():
        title, text = _all_visible_text(source)
    return storable(" ".join(title.split()))[:300], _tidy(text)


def decode(body: bytes, declared: str | None, is_html: bool) -> str:
    """The bytes as text: byte order mark, the declared charset, UTF-8, the page's own meta tag, then a guess."""
    in_page = EncodingDetector.find_declared_encoding(body, is_html=is_html)
    found = UnicodeDammit(
        body,
        user_encodings=[name for name in (declared, "utf-8", in_page) if name and _is_charset(name)],
        exclude_encodings=[in_page] if in_page and not _is_charset(in_page) else [],
        is_html=is_html,
    )
    return found.unicode_markup or body.decode("utf-8", "replace")


def _is_charset(name: str) -> bool:
    """Whether Python's codec of that name is a character set, not one of its transformations (some are quadratic)."""
    try:
        return codecs.lookup(name).name not in _NOT_CHARSETS
    except (LookupError, ValueError):
        return False


def _all_visible_text(source: str) -> tuple[str, str]:
    soup = BeautifulSoup(source, "lxml")
    title = soup.title.get_text(" ") if soup.title else ""
    for tag in soup(_UNSEEN):
        tag.decompose()
    return title, soup.get_text("\n")


def _tidy(text: str) -> str:
    lines = (" ".join(storable(line).split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)[:MAX_TEXT_LENGTH]
