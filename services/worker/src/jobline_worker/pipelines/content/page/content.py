"""Which of a page's blocks are its content: its headings and paragraphs, without what frames them on every page.

Where the page is an article, trafilatura says which blocks are the article (it knows the comments, the teasers and the
"share this" that no element names). On all other pages the content is spread over cards and sections that an article
extractor drops, so there everything counts that does not stand in navigation, header, sidebar or footer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import trafilatura
from lxml import etree
from lxml.html import HtmlElement

from jobline_worker.pipelines.content.page.facts import Heading, Section
from jobline_worker.pipelines.content.page.placement import HERO, MAIN
from jobline_worker.pipelines.content.page.structure import Block
from jobline_worker.pipelines.content.page.text import clean, clipped

__all__ = ["Content", "main_content"]

MAX_HEADINGS, MAX_HEADING = 100, 200
MAX_PARAGRAPHS, MAX_TEXT = 400, 60_000
#: trafilatura's time grows faster than the page: larger ones (elements, characters of markup) go without.
MAX_ARTICLE_ELEMENTS, MAX_ARTICLE_MARKUP = 4_000, 500_000
#: The article must make up this share of the content, else it was not found.
_LEAST_ARTICLE = 0.5
_CENTRAL = (HERO, MAIN)
_ITEMS = frozenset({"li", "dt", "dd", "summary"})
_ARTICLES = ("article", "blogposting", "newsarticle", "techarticle")
#: Above this share of links' text a block is a list of links.
_MOSTLY_LINKED = 0.8
#: Fewer words in a form are the name of a field.
_WORDS_OF_FORMS = 4


@dataclass(frozen=True)
class Content:
    """See PageFacts."""

    headings: tuple[Heading, ...]
    paragraphs: tuple[str, ...]
    sections: tuple[Section, ...]


def main_content(
    blocks: Sequence[Block], root: HtmlElement, open_graph: Mapping[str, str], structured: Iterable[Mapping[str, Any]]
) -> Content:
    """The page's headings and text, in page order, no text twice, within the bounds above.

    Where nothing stands in the middle of the page, everything counts.
    """
    central = _central(blocks)
    if _is_article(open_graph, structured):
        central = _of_the_article(central, root)
    kept = tuple(_within_bounds(central))
    headings = (Heading(block.level, block.text) for block in kept if block.level)
    paragraphs = (block.text for block in kept if not block.level)
    return Content(tuple(dict.fromkeys(headings)), tuple(paragraphs), tuple(_sections(kept)))


def _central(blocks: Sequence[Block]) -> list[Block]:
    """The headings in the middle of the page, or all; and the texts there, or all."""
    titles = [block for block in blocks if block.level]
    texts = [block for block in blocks if not block.level and _is_text(block)]
    kept = [
        *([block for block in titles if block.placement in _CENTRAL] or titles),
        *([block for block in texts if block.placement in _CENTRAL] or texts),
    ]
    ids = set(map(id, kept))
    return [block for block in blocks if id(block) in ids]


def _within_bounds(blocks: Iterable[Block]) -> Iterator[Block]:
    """Without repeated texts (repeated headings stay: they may head different texts)."""
    titles, seen, room = 0, set[str](), MAX_TEXT
    for block in blocks:
        if block.level:
            titles += 1
            if titles <= MAX_HEADINGS:
                yield replace(block, text=clipped(block.text, MAX_HEADING))
        elif block.text not in seen and len(seen) < MAX_PARAGRAPHS and len(block.text) <= room:
            seen.add(block.text)
            room -= len(block.text)
            yield block


def _sections(blocks: Iterable[Block]) -> Iterator[Section]:
    heading, level, texts = "", 0, list[str]()
    for block in blocks:
        if not block.level:
            texts.append(block.text)
            continue
        if heading or texts:
            yield Section(heading, level, tuple(texts))
        heading, level, texts = block.text, block.level, []
    if heading or texts:
        yield Section(heading, level, tuple(texts))


def _is_text(block: Block) -> bool:
    """Whether it says something: no code, column titles, list of links, name of a form's field, or lone word."""
    words = block.text.split()
    if not any(character.isalpha() for character in block.text) or block.text.startswith("©"):
        return False
    if (
        block.tag in ("pre", "thead")
        or block.linked > _MOSTLY_LINKED
        or (block.in_form and len(words) < _WORDS_OF_FORMS)
    ):
        return False
    return len(words) >= 2 or (block.tag in _ITEMS and len(block.text) >= 3)


def _is_article(open_graph: Mapping[str, str], structured: Iterable[Mapping[str, Any]]) -> bool:
    kinds = (item.get("@type") for item in structured)
    return open_graph.get("type", "").lower() == "article" or any(
        isinstance(kind, str) and kind.lower().endswith(_ARTICLES) for kind in kinds
    )


def _of_the_article(blocks: list[Block], root: HtmlElement) -> list[Block]:
    markup = etree.tostring(root, encoding="unicode", method="html")
    if len(markup) > MAX_ARTICLE_MARKUP or sum(1 for _ in root.iter()) > MAX_ARTICLE_ELEMENTS:
        return blocks
    document = trafilatura.bare_extraction(markup, include_comments=False, with_metadata=False)
    article = clean(getattr(document, "text", None) or "", 2 * MAX_TEXT)
    inside = [block for block in blocks if block.level == 1 or block.text in article]
    return inside if _length_of_text(inside) >= _LEAST_ARTICLE * _length_of_text(blocks) else blocks


def _length_of_text(blocks: Iterable[Block]) -> int:
    return sum(len(block.text) for block in blocks if not block.level)
