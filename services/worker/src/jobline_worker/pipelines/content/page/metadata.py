"""What a page's owner wrote for machines: title, description, keywords, OpenGraph and JSON-LD."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from lxml.html import HtmlElement

from jobline_worker.pipelines.content.page.text import clean

__all__ = ["described", "keywords", "meta", "open_graph", "structured_data", "title"]

#: Characters; and titles that are looked at, each of them with all that it stands in.
MAX_TITLE, MAX_DESCRIPTION, MAX_TITLES = 300, 600, 20
MAX_KEYWORDS, MAX_KEYWORD = 30, 60
MAX_PROPERTIES, MAX_VALUE = 40, 500
#: Bounds of JSON-LD: characters of one script, objects, values in all of them, values of one list or object, depth.
MAX_SCRIPT, MAX_OBJECTS, MAX_NODES, MAX_WIDTH, MAX_DEPTH = 200_000, 30, 2_000, 40, 6
_LARGEST_INTEGER = 2**53


def title(root: HtmlElement) -> str:
    """The page's own title (the titles of drawings inside it are not)."""
    titles = islice(root.iter("title"), MAX_TITLES)
    found = next((tag for tag in titles if not any(up.tag == "svg" for up in tag.iterancestors())), None)
    return clean(found.text_content(), MAX_TITLE) if found is not None else ""


def meta(root: HtmlElement) -> Mapping[str, str]:
    """The page's `<meta>` names and properties (lower case), the first value of each."""
    found: dict[str, str] = {}
    for tag in root.iter("meta"):
        name = (tag.get("property") or tag.get("name") or tag.get("http-equiv") or "").strip().lower()[:80]
        content = clean(tag.get("content", "")[:4_000], MAX_DESCRIPTION)
        if name and content and len(found) < 200:
            found.setdefault(name, content)
    return found


def described(known: Mapping[str, str]) -> str:
    names = ("description", "og:description", "twitter:description", "dc.description")
    return next((known[name] for name in names if name in known), "")


def keywords(known: Mapping[str, str]) -> tuple[str, ...]:
    words = (clean(word, MAX_KEYWORD) for word in known.get("keywords", "").replace(";", ",").split(","))
    return tuple(dict.fromkeys(filter(None, words)))[:MAX_KEYWORDS]


def open_graph(known: Mapping[str, str]) -> Mapping[str, str]:
    """The `og:` properties, without that prefix."""
    found = {name[3:]: clean(value, MAX_VALUE) for name, value in known.items() if name.startswith("og:") and name[3:]}
    return dict(list(found.items())[:MAX_PROPERTIES])


def structured_data(root: HtmlElement) -> tuple[Mapping[str, Any], ...]:
    """The page's JSON-LD objects, those of an `@graph` one by one, cut down to the bounds. Broken ones are left out."""
    room = _Room(MAX_NODES)
    objects = (room.bounded(item, 0) for script in _scripts(root) for item in _objects(_parsed(script)))
    found = []
    for item in objects:
        if isinstance(item, dict) and item:
            found.append(item)
        if len(found) == MAX_OBJECTS or not room.left:
            break
    return tuple(found)


def _scripts(root: HtmlElement) -> Iterator[str]:
    for script in root.iter("script"):
        if script.get("type", "").partition(";")[0].strip().lower() == "application/ld+json":
            text = (script.text or "").strip().removeprefix("<!--").removesuffix("-->").strip()
            if len(text) <= MAX_SCRIPT:
                yield text


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, strict=False)  # line breaks inside of texts are a common mistake
    except (ValueError, RecursionError):
        return None


def _objects(parsed: Any) -> Iterator[Mapping[str, Any]]:
    for item in parsed if isinstance(parsed, list) else [parsed]:
        if isinstance(item, dict):
            graph = item.get("@graph")
            if isinstance(graph, list):
                yield from (inner for inner in graph if isinstance(inner, dict))
            else:
                yield item


class _Room:
    """How many values may still be taken, over all objects of the page."""

    def __init__(self, left: int) -> None:
        self.left = left

    def bounded(self, value: Any, depth: int) -> Any:
        """The value, storable as JSON and within the bounds; None for what is not."""
        self.left = max(self.left - 1, 0)
        match value:
            case str():
                return clean(html.unescape(value[: 2 * MAX_DESCRIPTION]), MAX_DESCRIPTION)
            case bool() | None:
                return value
            case int():
                return value if abs(value) < _LARGEST_INTEGER else None
            case float():
                return value if math.isfinite(value) else None
            case list() if depth < MAX_DEPTH:
                return [self.bounded(item, depth + 1) for item in self._some(value)]
            case dict() if depth < MAX_DEPTH:
                items = self._some(value.items())
                return {clean(name, MAX_KEYWORD): self.bounded(item, depth + 1) for name, item in items}
            case _:
                return None

    def _some(self, items: Iterable[Any]) -> Iterator[Any]:
        for item, _ in zip(items, range(MAX_WIDTH), strict=False):
            if not self.left:
                return
            yield item
