"""Whether what an analysis says of a page stands on that page: read here in another way than by the code under test.

Everything of a page's source counts that a reader or a machine can read: its text, attributes, descriptions and JSON-LD.
White space, quotation marks and case do not, since they are what quoting changes.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

from bs4 import BeautifulSoup

__all__ = ["PageTrace", "quotations", "texts_in"]

_QUOTATION = re.compile(r"“([^“”]*)”")
_UNSPOKEN = re.compile(r"[\s\u00ad\u200b\"'“”„‚‘’«»‹›‟`]+")


class PageTrace:
    """The words of one page, to be asked whether a text stands among them."""

    def __init__(self, source: bytes | str) -> None:
        soup = BeautifulSoup(source, "lxml")
        seen = [soup.get_text("")]
        seen += [str(value) for tag in soup.find_all(True) for value in tag.attrs.values()]
        self._text = _bare("\n".join(seen)) + "\n" + _bare(html.unescape(soup.decode()))

    def has(self, text: str) -> bool:
        """Whether the text, but for an ellipsis where it was cut, stands on the page."""
        return _bare(text.removesuffix("…")) in self._text

    def missing(self, value: Any) -> list[str]:
        """The quotations in all texts of a JSON value that do not stand on the page."""
        return [quotation for text in texts_in(value) for quotation in quotations(text) if not self.has(quotation)]


def quotations(text: str) -> list[str]:
    """What stands between “ and ”."""
    return _QUOTATION.findall(text)


def texts_in(value: Any) -> Iterator[str]:
    """All strings of a JSON value, keys left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for each in value.values() for text in texts_in(each))
    elif isinstance(value, list):
        yield from (text for each in value for text in texts_in(each))


def _bare(text: str) -> str:
    return _UNSPOKEN.sub("", text).casefold()
