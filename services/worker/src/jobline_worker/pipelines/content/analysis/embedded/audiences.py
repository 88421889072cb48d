"""Four or five audiences, one for each offer of a page.

Ratings follow from the page alone, because no search statistics are at hand. `searchVolume` and `competition` go by how
specific the audience's first key phrase is: one word is searched and fought for most, three words least.
`conversionPotential` is that of the call to action that serves it: high from 75, medium from 45. `priority` is the order.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from jobline_worker.pipelines.content.analysis.embedded.data import pattern
from jobline_worker.pipelines.content.analysis.embedded.kinds import Kind, ideas_for_people, kind_of
from jobline_worker.pipelines.content.analysis.embedded.offer import MAX_SHOWN, Offer
from jobline_worker.pipelines.content.analysis.embedded.quotes import QUOTATION_MARKS, is_fit, listed, quoted, shortened
from jobline_worker.pipelines.content.analysis.embedded.reading import Reading
from jobline_worker.pipelines.content.analysis.material import Action, Material
from jobline_worker.pipelines.content.analysis.schemas import (
    Audiences,
    BusinessValue,
    ContentIdea,
    Scenario,
    TargetSegment,
)

__all__ = ["audiences", "who"]

_KEYWORDS, _FEWEST_KEYWORDS, _LANGUAGE = 6, 3, 4
_IDEA_TITLE = 70
_VALUE = pattern("roles", "value")


def audiences(material: Material) -> Audiences:
    """The audiences of a page, best first."""
    reading = Reading(material)
    kind = kind_of(material)[0]
    return Audiences(
        scenarios=[_Audience(reading, kind, offer, place).scenario() for place, offer in enumerate(reading.offers)]
    )


def who(offer: Offer, kind: Kind) -> str:
    """The people of an offer: in the page's words, otherwise by what they look for."""
    if offer.people:
        return quoted(offer.people[0], MAX_SHOWN)
    if offer.angle:
        return offer.angle
    seekers = "people who want to know" if offer.is_about_the_way else kind.seekers
    return f"{seekers} {quoted(offer.heading, MAX_SHOWN)}"


class _Audience:
    def __init__(self, reading: Reading, kind: Kind, offer: Offer, place: int) -> None:
        self._reading = reading
        self._kind = kind
        self._offer = offer
        self._place = place
        self._action = reading.action_for(offer)
        self._keywords = self._find_keywords()

    def _find_keywords(self) -> list[str]:
        """The offer's own key phrases; the page's besides where it has few."""
        phrases = self._reading.phrases
        own = phrases.of(self._offer.heading, [*self._offer.said, *self._offer.items], _KEYWORDS)
        more = phrases.of_page(_FEWEST_KEYWORDS) if len(own) < _FEWEST_KEYWORDS else []
        both = list(dict.fromkeys([*own, *more]))
        return both[: max(len(own), _FEWEST_KEYWORDS)] or [material_name(self._reading.material)]

    def scenario(self) -> Scenario:
        return Scenario(
            customerProblem=self._problem(),
            targetSegment=TargetSegment(
                demographics=self._demographics(),
                psychographics=self._psychographics(),
                searchBehavior=self._search(),
            ),
            businessValue=self._value(),
            customerLanguage=self._language(),
            seoKeywords=[shortened(keyword, 60) for keyword in self._keywords],
            conversionPath=self._path(),
            contentIdeas=self._ideas(),
        )

    def _problem(self) -> str:
        """The trouble the page names, else what it is that they want, with the page's first sentence about it."""
        offer, people = self._offer, _capital(who(self._offer, self._kind))
        if offer.angle:
            return f"{people}: the page tells them {quoted(offer.heading)} and hardly more"
        topic = quoted(offer.heading, MAX_SHOWN)
        if offer.trouble and offer.trouble != offer.heading:
            about = "" if offer.is_about_people or topic in people else f" ({topic})"
            return f"{people}{about} face what the page describes: {quoted(offer.trouble)}"
        answer = f": {quoted(offer.said[0])}" if offer.said else ""
        if offer.trouble:
            return f"People who ask themselves: {topic}"
        if offer.is_about_people:
            return (
                f"{people} want what the page has for them{answer}" if answer else f"{people} are addressed by the page"
            )
        verb = self._kind.need
        return f"{people} {verb} {topic}{answer}" if offer.people else f"{people}{answer}"

    def _demographics(self) -> str:
        offer, place = self._offer, self._reading.material.place
        where = f"; the page names {quoted(place)} as its place" if is_fit(place) else ""
        if offer.people:
            return f"{listed(offer.people[:3], MAX_SHOWN)}, as the page calls them{where}"
        if self._reading.general_people:
            about = f"those who come for {quoted(offer.heading, MAX_SHOWN)}" if offer.heading else "all of them"
            return f"Of the {quoted(self._reading.general_people)} the page speaks of, {about}{where}"
        about = f"; they come for {quoted(offer.heading, MAX_SHOWN)}" if offer.heading else ""
        return f"The page does not say who they are{about}{where}"

    def _psychographics(self) -> str:
        """What they are promised: a sentence of the offer with a figure or a word of value, another than the trouble."""
        offer = self._offer
        other = [sentence for sentence in offer.said[0 if offer.trouble else 1 :] if sentence != offer.trouble]
        telling = [sentence for sentence in other if _VALUE.search(sentence)]
        if other:
            return f"They value what they are promised: {quoted((telling or other)[0])}"
        if self._offer.items:
            return f"They look at details such as {listed(self._offer.items[:3], 80)}"
        promises = [promise for promise in self._reading.promises if promise not in offer.said]
        if promises:
            return f"As everybody on the page they are told: {quoted(promises[self._place % len(promises)])}"
        return "The page does not say what they value"

    def _search(self) -> str:
        question = self._reading.question_for(self._offer)
        asked = f", with a question such as {quoted(question)}" if question else ""
        return f"Search for {listed(self._keywords[:3])}{asked}"

    def _value(self) -> BusinessValue:
        words = len(self._keywords[0].split())
        potential = self._action.potential if self._action else 0
        return BusinessValue(
            searchVolume=_level(-words, -1, -2),
            competition=_level(-words, -1, -2),
            conversionPotential=_level(potential, 75, 45),
            priority=self._place + 1,
        )

    def _language(self) -> list[str]:
        """Words of the page they would know as their own: a customer's, the trouble, short sentences, items, the heading."""
        offer = self._offer
        voice = self._reading.voice_for(offer)
        said = sorted(offer.said[:6], key=len)
        texts = [voice.strip(QUOTATION_MARKS), offer.trouble, *said, *offer.items, offer.heading]
        fitting = dict.fromkeys(shortened(text, 160) for text in texts if text)
        return list(fitting)[:_LANGUAGE] or [material_name(self._reading.material)]

    def _path(self) -> str:
        start = f"From {quoted(self._offer.heading, MAX_SHOWN)}" if self._offer.heading else "From the page"
        if self._action is None:
            return f"{start} on; the page has no call to action for them yet"
        return f"{start} to {quoted(self._action.text, MAX_SHOWN)}{_address(self._action)}"

    def _ideas(self) -> list[ContentIdea]:
        """The page's own question or "How …" if there is one, then two patterns of the kind, other ones for each audience."""
        is_title = self._offer.heading.endswith("?") or self._offer.is_about_the_way
        question = self._offer.heading if is_title else self._reading.question_for(self._offer)
        patterns = ideas_for_people() if self._offer.is_about_people else self._kind.ideas
        turn = [patterns[(self._place + shift) % len(patterns)] for shift in (0, 1)]
        topic = self._topic()
        ideas = [(question, "informational")] if question else []
        ideas += [(idea.title.format(topic=topic), idea.intent) for idea in turn]
        goal = (
            f"Leads to {quoted(self._action.text, MAX_SHOWN)}"
            if self._action
            else "Says more than the page does so far"
        )
        source = f"; starts from {quoted(self._offer.heading, MAX_SHOWN)} on the page" if self._offer.heading else ""
        return [
            ContentIdea(title=_capital(title), searchIntent=intent, businessAlignment=f"{goal}{source}")
            for title, intent in ideas
        ]

    def _topic(self) -> str:
        """What an article is about: the people, or the heading; the first key phrase where that is too long for a title."""
        offer = self._offer
        if offer.is_about_people:
            people = offer.people[0]
            return people if people.isupper() else people[:1].lower() + people[1:]
        heading = offer.heading.partition(":")[0].rstrip("?.!… ")
        return heading if 0 < len(heading) <= _IDEA_TITLE else self._keywords[0]


def material_name(material: Material) -> str:
    """What the page is called if it says nothing else."""
    return shortened(material.title or material.site_name, 100)


def _level(amount: float, high: float, medium: float) -> Literal["low", "medium", "high"]:
    return "high" if amount >= high else "medium" if amount >= medium else "low"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _address(action: Action) -> str:
    if not action.href:
        return ""
    parts = urlsplit(action.href)
    return f" ({parts.path or parts.netloc})" if parts.path not in ("", "/") else ""
