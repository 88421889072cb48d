"""The subjects of a page for which somebody may come: four or five, as different from each other as the page allows.

Taken from parts of the page that offer something or name people, then from the items of its lists, then from its other
parts, sentences and calls to action; a page that has hardly any text gives its title from several sides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from jobline_worker.pipelines.content.analysis.embedded.data import pattern
from jobline_worker.pipelines.content.analysis.embedded.offer import Offer, are_alike, bare_people
from jobline_worker.pipelines.content.analysis.embedded.people import named_people
from jobline_worker.pipelines.content.analysis.embedded.quotes import is_fit, sentences_of
from jobline_worker.pipelines.content.analysis.embedded.roles import Part, Role
from jobline_worker.pipelines.content.analysis.material import Material
from jobline_worker.providers.passages import stems

__all__ = ["offers_of"]

MOST, FEWEST = 5, 4

#: So many entries "Name: words" below a heading make a list of offers, if the heading is as short as that of a list.
_A_LIST, _LIST_WORDS, _NAME_WORDS = 3, 3, 5

#: What a fifth audience must be worth: a good one less is better than a weak one more.
_GOOD = 5.0

_WORTH = {
    Role.PEOPLE: 6.0,
    Role.OFFER: 4.0,
    Role.INTRODUCTION: 2.0,
    Role.PRICES: 1.0,
    Role.QUESTION: 0.5,
    Role.CHORES: 0.0,
}
_TROUBLE, _WRITER = pattern("roles", "trouble"), pattern("roles", "writer")
_NAME = r"(?P<name>[^:–—|.!?]{3,60})"
_ENTRY = re.compile(rf"{_NAME}(?:: | [–—|-] |\. )(?P<rest>\S.*)", re.DOTALL)
_ITEM = re.compile(rf"{_NAME}(?:(?:: | [–—|-] |\. )(?P<rest>\S.*))?", re.DOTALL)

_ANGLES = (
    "people who know the name and look for it",
    "people who come by a link and want to know what this is",
    "people who compare it with others",
    "people who were here before and come back",
)


def offers_of(material: Material, parts: Sequence[Part], opening: Sequence[str], phrases: Sequence[str]) -> list[Offer]:
    """Four or five, best first. `opening` is what the page says to everybody, `phrases` its key phrases."""
    found = _Offers(material, parts, opening)
    chosen: list[Offer] = []
    for candidates in (found.of_parts(), found.of_items(), found.of_rest(), found.of_title(phrases)):
        for offer in sorted(candidates, key=lambda offer: -offer.worth):
            is_wanted = len(chosen) < FEWEST or (len(chosen) < MOST and offer.worth >= _GOOD)
            if is_wanted and not any(are_alike(offer, other) for other in chosen):
                chosen.append(offer)
        if len(chosen) >= FEWEST:
            return chosen
    name = material.title or material.site_name
    return chosen + [Offer(name, (), angle=angle) for angle in _ANGLES[: FEWEST - len(chosen)]]


class _Offers:
    """Candidates, from the parts that say most of somebody to the bare title."""

    def __init__(self, material: Material, parts: Sequence[Part], opening: Sequence[str]) -> None:
        self._material = material
        self._parts = parts
        self._opening = opening

    def of_parts(self) -> Iterator[Offer]:
        for part in self._parts:
            if part.role not in (Role.OFFER, Role.PEOPLE) or not is_fit(part.heading) or not part.texts:
                continue
            offer = self._offer(part)
            entries = list(_entries(part)) if part.role is Role.OFFER else []
            if len(entries) < _A_LIST or len(part.heading.split()) > _LIST_WORDS or offer.is_about_the_way:
                yield offer
            else:
                yield from (self._offer(entry) for entry in entries)

    def of_items(self) -> Iterator[Offer]:
        """A list of short texts below one heading names what there is."""
        for part in self._parts:
            items = [match for text in part.texts if (match := _ITEM.fullmatch(text)) and is_fit(text)]
            if len(items) < 2 or part.role in (Role.VOICES, Role.CHORES):
                continue
            for item in items:
                said = sentences_of([item["rest"] or ""])
                people = tuple(named_people(item.string))
                yield Offer(item["name"].strip(), said, (), people, worth=2.0 + bool(said))

    def of_rest(self) -> Iterator[Offer]:
        for part in self._parts:
            if part.heading and is_fit(part.heading) and part.role is not Role.VOICES:
                yield self._offer(part)
        for sentence in sentences_of(text for part in self._parts for text in part.texts):
            for people in named_people(sentence)[:1]:
                yield Offer(people, (sentence,), (), (people,), is_about_people=True, worth=1.5)
        for action in filter(lambda action: is_fit(action.text), self._material.actions):
            yield Offer(action.text, (), (), tuple(named_people(action.text)), worth=action.potential / 100)

    def of_title(self, phrases: Sequence[str]) -> Iterator[Offer]:
        """Sides of a page that says hardly more than its name: its parts, its phrases, its name."""
        material = self._material
        pieces = [piece.strip() for piece in re.split(r"\s[|–—:·•-]\s|: ", material.title)]
        texts = [*pieces, *phrases, material.title, material.site_name]
        for place, text in enumerate(dict.fromkeys(text for text in texts if text and is_fit(text))):
            yield Offer(text, (), worth=-place)

    def _offer(self, part: Part) -> Offer:
        """A part as an offer; worth more the more it says, above all about people and their trouble."""
        said = sentences_of(part.texts)
        items = tuple(text for text in part.texts if len(text) <= 60 and is_fit(text) and text not in said)
        in_heading = named_people(part.heading, is_heading=True)
        in_text = [people for text in part.texts for people in named_people(text)]
        is_about_people = part.role is Role.PEOPLE or _is_people(part.heading, in_heading)
        named = [bare_people(part.heading)] if is_about_people else in_heading
        # The introduction may tell of the trouble of people who have a part of their own.
        told = (part.heading, *said, *(self._about(named[0]) if is_about_people else ()))
        offer = Offer(
            part.heading,
            said,
            items,
            tuple(dict.fromkeys([*named, *in_text])),
            is_about_people=is_about_people,
            trouble=next((text for text in told if self._is_trouble(text)), ""),
        )
        return replace(offer, worth=_WORTH.get(part.role, 0.0) + _fullness(offer, is_named=bool(named)))

    def _about(self, people: str) -> Iterator[str]:
        """The introduction's sentences that name these people: by their noun, since "care groups" are no care homes."""
        noun = stems(re.split(r" (?:of|who|over|in|with) ", people)[0].split()[-1])
        return (sentence for sentence in self._opening if stems(sentence) & noun)

    def _is_trouble(self, text: str) -> bool:
        """Whether a sentence tells of a trouble, and is not about what the business does."""
        name = self._material.site_name.casefold()
        is_ours = _WRITER.search(text) is not None or name in text.casefold()
        if is_ours or len(text.split()) <= 4:
            return False
        for people in named_people(text):
            text = text.replace(people, "")
        return _TROUBLE.search(text) is not None


def _fullness(offer: Offer, *, is_named: bool) -> float:
    """How much an offer says, above all about people and their trouble."""
    return (
        min(len(offer.said), 2)
        + 1.5 * is_named
        + (len(offer.people) > is_named)
        + bool(offer.trouble)
        - 1.5 * offer.is_about_the_way
        - 1.5 * offer.is_continued
    )


def _entries(part: Part) -> Iterator[Part]:
    """The texts of a part that are "Name: words" or "Name. Words.", as parts of their own."""
    for text in part.texts:
        entry = _ENTRY.fullmatch(text)
        if entry and is_fit(text) and len(entry["name"].split()) <= _NAME_WORDS:
            yield Part(part.role, entry["name"].strip(), part.heading, (entry["rest"],))


def _is_people(heading: str, people: Sequence[str]) -> bool:
    """Whether a heading is nothing but people: "Registered managers", "For families"."""
    return any(phrase.casefold() == bare_people(heading).casefold() for phrase in people)
