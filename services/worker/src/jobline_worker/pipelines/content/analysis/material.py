"""What the later steps need of a page, small enough to be stored with the first step's output.

The steps run in different processes if a worker is lost between them, so this travels as JSON: the page is fetched and
parsed once. Its texts are the page's own, cut but never changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic_core import to_json

from jobline_worker.pipelines.content.page.ctas import Cta
from jobline_worker.pipelines.content.page.facts import PageFacts
from jobline_worker.pipelines.content.page.placement import FOOTER, HEADER, NAVIGATION

__all__ = ["Action", "Material", "Section", "fitting", "page_material"]

MAX_TEXTS, MAX_TEXT, MAX_ACTIONS, MAX_MENU, MAX_MENU_WORDS = 24, 700, 20, 40, 3
_FRAME = (NAVIGATION, HEADER, FOOTER)

#: Bytes of all sections, links and actions: together with the rest of the first step's output below its 256 KiB.
MAX_SECTIONS, MAX_LINKS, MAX_ACTION_BYTES = 50_000, 15_000, 25_000

T = TypeVar("T")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Section(_Frozen):
    """A heading and the texts below it, up to the next heading. `level` is 1 to 6; 0 without a heading."""

    heading: str
    level: int
    texts: tuple[str, ...]


class Action(_Frozen):
    """A call to action; `potential` is 0 to 100."""

    text: str
    type: str
    href: str
    potential: int


class Material(_Frozen):
    """The page, as its analysis sees it. `types` are its JSON-LD types, `place` the town it names there or "".

    `links` are the addresses the page links to, `menu` the short texts of links around its content.
    """

    url: str
    title: str
    description: str
    language: str
    site_name: str
    place: str
    types: tuple[str, ...]
    keywords: tuple[str, ...]
    sections: tuple[Section, ...]
    actions: tuple[Action, ...]
    links: tuple[str, ...]
    menu: tuple[str, ...]

    def texts(self) -> Iterator[str]:
        """Every text a reader of the page can see, with the description."""
        yield self.title
        yield self.description
        for section in self.sections:
            yield section.heading
            yield from section.texts
        yield from (action.text for action in self.actions)


def page_material(facts: PageFacts, ctas: Sequence[Cta]) -> Material:
    """What is kept of a page."""
    return Material(
        url=facts.url,
        title=facts.title[:MAX_TEXT],
        description=facts.description[:MAX_TEXT],
        language=facts.language,
        site_name=facts.site_name[:200],
        place=_place(facts.structured),
        types=tuple(dict.fromkeys(_types(facts.structured)))[:40],
        keywords=tuple(keyword[:80] for keyword in facts.keywords[:20]),
        sections=_sections(facts),
        actions=tuple(fitting(map(_action, ctas[:MAX_ACTIONS]), MAX_ACTION_BYTES)),
        links=tuple(fitting(dict.fromkeys(link.href for link in facts.links if link.href), MAX_LINKS)),
        menu=tuple(dict.fromkeys(_menu(facts)))[:MAX_MENU],
    )


def _action(cta: Cta) -> Action:
    return Action(text=cta.text, type=cta.type, href=cta.href, potential=cta.conversion_potential)


def _sections(facts: PageFacts) -> tuple[Section, ...]:
    sections = (
        Section(
            heading=section.heading[:MAX_TEXT].rstrip("¶# "),
            level=section.level,
            texts=tuple(text[:MAX_TEXT] for text in section.texts[:MAX_TEXTS]),
        )
        for section in facts.sections
    )
    return tuple(fitting(sections, MAX_SECTIONS))


def fitting(items: Iterable[T], most: int) -> Iterator[T]:
    """The first items that together have at most so many bytes of JSON."""
    for item in items:
        most -= len(to_json(item))
        if most < 0:
            return
        yield item


def _types(structured: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for item in structured:
        named = item.get("@type")
        for name in named if isinstance(named, list) else [named]:
            if isinstance(name, str):
                yield name.rpartition("/")[2][:60]


def _place(structured: Sequence[Mapping[str, Any]]) -> str:
    """The locality of the first postal address, which is the business's own in practice."""
    for item in structured:
        address = item.get("address")
        place = address.get("addressLocality") if isinstance(address, Mapping) else None
        if isinstance(place, str) and place.strip():
            return place.strip()[:80]
    return ""


def _menu(facts: PageFacts) -> Iterator[str]:
    for link in facts.links:
        if link.text and link.placement in _FRAME and len(link.text.split()) <= MAX_MENU_WORDS:
            yield link.text[:80]
