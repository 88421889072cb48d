"""From a page's bytes to a tree, whatever the bytes are."""

from __future__ import annotations

from email.message import Message

from lxml import etree
from lxml.html import HtmlElement, HTMLParser, document_fromstring

from jobline_worker.providers.pages.extraction import decode
from jobline_worker.providers.pages.markup import parseable
from jobline_worker.providers.storable import storable

__all__ = ["MAX_BYTES", "parse"]

#: What lies behind is not read. The fetcher of the website analysis brings no more than this.
MAX_BYTES = 2 * 1024 * 1024


def parse(body: bytes, content_type: str) -> HtmlElement:
    """The page's tree, without comments; an empty one for a page without markup."""
    header = Message()
    header["content-type"] = content_type
    source = storable(parseable(decode(body[:MAX_BYTES], header.get_content_charset(), is_html=True)))
    parser = HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
    try:
        return document_fromstring(source.encode(), parser=parser)
    except etree.ParserError:  # nothing in it
        return document_fromstring("<html><body></body></html>")
