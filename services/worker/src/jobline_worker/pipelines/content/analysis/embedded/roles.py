"""What a part of a page is for, by its heading: offers, people it is for, voices of customers, questions, prices, chores.

Only offers and people become audiences; the others lend their words to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from jobline_worker.pipelines.content.analysis.embedded.data import pattern
from jobline_worker.pipelines.content.analysis.embedded.quotes import is_fit, without_unfit
from jobline_worker.pipelines.content.analysis.material import Section

__all__ = ["Part", "Role", "is_continuation", "parts_of"]


class Role(Enum):
    INTRODUCTION = auto()
    OFFER = auto()
    PEOPLE = auto()
    VOICES = auto()
    QUESTION = auto()
    PRICES = auto()
    CHORES = auto()


_ATTRIBUTION = 10
_OPENING = tuple('“„»"')


@dataclass(frozen=True)
class Part:
    """A section with its role; `above` is the heading it stands under."""

    role: Role
    heading: str
    above: str
    texts: tuple[str, ...]


_PEOPLE, _VOICES, _QUESTIONS = (pattern("roles", name) for name in ("people", "voices", "questions"))
_PRICES, _CHORES, _ALONE = (pattern("roles", name) for name in ("prices", "chores", "alone"))
_FIRST_PERSON = pattern("roles", "first_person")
_CONTINUED = re.compile(r"(?:to|from|more|zu|von)\b", re.IGNORECASE)


def parts_of(sections: Sequence[Section], site_name: str) -> list[Part]:
    """The page's parts in order. A heading that repeats gives one part; the site's own name is no subject."""
    parts: dict[str, Part] = {}
    spoken: list[str] = []
    for section, above in _with_heading_above(sections):
        heading = section.heading.strip()
        if above and is_continuation(heading) and above.casefold() in parts:
            heading = above
        spoken += [text for text in section.texts if _is_spoken(text) and is_fit(text)]
        is_name = section.level > 1 and heading.casefold() == site_name.casefold()
        role = Role.CHORES if is_name else _role(section, above)
        key = heading.casefold()
        if key in parts:
            known = parts[key]
            parts[key] = replace(known, texts=(*known.texts, *_own(section)))
        else:
            texts = tuple(filter(is_fit, section.texts)) if role is Role.VOICES else _own(section)
            parts[key] = Part(role, heading, above, texts)
    return [*parts.values(), Part(Role.VOICES, "", "", tuple(spoken))]


def is_continuation(heading: str) -> bool:
    """Whether a heading says little without the one before it: "From the fire", "To end"."""
    return _CONTINUED.match(heading) is not None


def _own(section: Section) -> tuple[str, ...]:
    """A section's texts, as far as they are worth repeating, without what it quotes.

    The short text behind a quotation, which says whose it is, goes with it.
    """
    before = ("", *section.texts)
    return tuple(
        text
        for last, text in zip(before, map(without_unfit, section.texts), strict=False)
        if text and not _is_spoken(text) and not (_is_spoken(last) and len(text.split()) <= _ATTRIBUTION)
    )


def _is_spoken(text: str) -> bool:
    """A long text that begins with a quotation mark is somebody's, whichever heading it happens to stand under."""
    return text.startswith(_OPENING) and len(text.split()) > 5


def _with_heading_above(sections: Sequence[Section]) -> Iterator[tuple[Section, str]]:
    path: list[Section] = []
    for section in sections:
        path = [outer for outer in path if 0 < outer.level < section.level]
        # The page's title stands above everything and says nothing about a part.
        yield section, next((outer.heading for outer in reversed(path) if outer.level > 1), "")
        path.append(section)


def _role(section: Section, above: str) -> Role:
    heading = section.heading.strip()
    if not heading or section.level == 1:
        return Role.INTRODUCTION
    if _CHORES.search(heading) or _ALONE.fullmatch(heading):
        return Role.CHORES
    if _VOICES.search(heading) or _VOICES.search(above):
        return Role.VOICES
    if heading.endswith("?") and (_QUESTIONS.search(above) or (section.level > 2 and _FIRST_PERSON.search(heading))):
        return Role.QUESTION
    if _QUESTIONS.search(heading) or _PEOPLE.search(heading):
        return Role.CHORES if _QUESTIONS.search(heading) else Role.INTRODUCTION
    if _PEOPLE.search(above):
        return Role.PEOPLE
    if _PRICES.search(heading) or _PRICES.search(above):
        return Role.PRICES
    return Role.CHORES if _CHORES.search(above) else Role.OFFER
