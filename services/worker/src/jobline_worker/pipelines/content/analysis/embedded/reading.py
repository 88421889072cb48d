"""A page as all three embedded tasks start from it: its parts and offers, and what belongs to each offer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

from jobline_worker.pipelines.content.analysis.embedded.offer import Offer
from jobline_worker.pipelines.content.analysis.embedded.offers import offers_of
from jobline_worker.pipelines.content.analysis.embedded.people import usual_people
from jobline_worker.pipelines.content.analysis.embedded.phrases import Phrases
from jobline_worker.pipelines.content.analysis.embedded.quotes import is_fit, sentences_of
from jobline_worker.pipelines.content.analysis.embedded.roles import Role, parts_of
from jobline_worker.pipelines.content.analysis.embedded.words import STOP_WORDS, tokens
from jobline_worker.pipelines.content.analysis.material import Action, Material
from jobline_worker.providers.passages import stems

__all__ = ["Reading"]

_TITLE_PHRASES = 6
#: A sentence's subject is among its first words.
_SUBJECT_WORDS = 2
_ANYBODY = ("people ", "those ", "anyone ", "everyone ", "menschen", "alle")


class Reading:
    """A page, read for its analysis."""

    def __init__(self, material: Material) -> None:
        self.material = material
        self.parts = parts_of(material.sections, material.site_name)
        self.said = list(dict.fromkeys(said for part in self.parts for said in sentences_of(part.texts)))
        self.questions = [part.heading for part in self.parts if part.role is Role.QUESTION and is_fit(part.heading)]
        self.voices = [said for part in self.parts if part.role is Role.VOICES for said in sentences_of(part.texts)]
        self.usual_people = usual_people(material.texts())
        headings = [part.heading for part in self.parts if part.role not in (Role.CHORES, Role.QUESTION)]
        texts = [text for part in self.parts if part.role is not Role.CHORES for text in part.texts]
        self.phrases = Phrases(
            [material.title, *headings],
            material.keywords,
            [material.description, *texts],
            is_german=material.language == "de",
        )
        self.actions = [action for action in material.actions if is_fit(action.text)]

    @cached_property
    def offers(self) -> list[Offer]:
        """Four or five, best first."""
        return offers_of(self.material, self.parts, self.promises, self.phrases.of_page(_TITLE_PHRASES))

    def action_for(self, offer: Offer) -> Action | None:
        """The call to action that shares most words with what the offer is about, otherwise the page's best."""
        head = _subjects(offer.heading)
        beginning = _subjects(" ".join([*offer.people[:1], *(" ".join(offer.said[:1]).split()[:_SUBJECT_WORDS])]))

        def fit(action: Action) -> int:
            words = _subjects(f"{action.text} {_path(action.href)}")
            return 2 * len(words & head) + len(words & beginning)

        return max(self.actions, key=lambda action: (fit(action), action.potential), default=None)

    @cached_property
    def general_people(self) -> str:
        """The page's usual word for people, unless its offers name other groups: then it is not for everybody."""
        usual = self.usual_people.casefold()
        named = [people.casefold() for offer in self.offers for people in offer.people]
        others = [people for people in named if usual not in people and not people.startswith(_ANYBODY)]
        return "" if others else self.usual_people

    @cached_property
    def promises(self) -> list[str]:
        """What the page says to everybody: the sentences of its introduction, else of its description."""
        opening = [said for part in self.parts if part.role is Role.INTRODUCTION for said in sentences_of(part.texts)]
        return opening or list(sentences_of([self.material.description]))

    def question_for(self, offer: Offer) -> str:
        """The page's own question that shares a word with the offer, empty if none does."""
        return _closest(self.questions, offer)

    def voice_for(self, offer: Offer) -> str:
        """What a customer says about it, in their words, of which two must be the offer's; empty if nobody does."""
        return _closest(self.voices, offer, 2)


def _closest(texts: Sequence[str], offer: Offer, fewest: int = 1) -> str:
    shared = {text: len(stems(text) & offer.stems) for text in texts}
    best = max(texts, key=shared.__getitem__, default="")
    return best if best and shared[best] >= fewest else ""


def _subjects(text: str) -> frozenset[str]:
    """The stems of a text's subjects."""
    return stems(" ".join(word for word, _, _ in tokens(text) if word.casefold() not in STOP_WORDS))


def _path(href: str) -> str:
    """The words of an address's path."""
    return re.sub(r"^[a-z]+:(?://[^/]*)?", "", href).replace("/", " ").replace("-", " ")
