"""The analysis of a business, from its page alone."""

from __future__ import annotations

from collections.abc import Sequence

from jobline_worker.pipelines.content.analysis.embedded.data import word_set
from jobline_worker.pipelines.content.analysis.embedded.kinds import kind_of
from jobline_worker.pipelines.content.analysis.embedded.models import business_model
from jobline_worker.pipelines.content.analysis.embedded.people import decides, named_people
from jobline_worker.pipelines.content.analysis.embedded.quotes import is_fit, listed, quoted, shortened
from jobline_worker.pipelines.content.analysis.embedded.reading import Reading
from jobline_worker.pipelines.content.analysis.embedded.roles import Role
from jobline_worker.pipelines.content.analysis.embedded.voice import brand_voice
from jobline_worker.pipelines.content.analysis.material import Material
from jobline_worker.pipelines.content.analysis.schemas import Portrait

__all__ = ["portrait"]

_DESCRIPTION = 500
_WRITING = word_set("links", "articles")


def portrait(material: Material) -> Portrait:
    """What the page says about its business. Where it says nothing, the answer says that."""
    reading = Reading(material)
    kind, label = kind_of(material)
    deciders, users = _people(reading)
    model = business_model(kind, list(material.texts()))
    is_rented = kind.name == "software" and model.startswith("subscription")
    return Portrait(
        businessType="SaaS" if is_rented else label,
        businessName=shortened(material.site_name, 200),
        decisionMakers=listed(deciders, 80) if deciders else _no_deciders(reading),
        endUsers=listed(users, 80) if users else "Not named on the page",
        targetAudience=_target(reading, [*deciders, *users]),
        contentFocus=_focus(reading),
        brandVoice=brand_voice(reading.said),
        description=_description(reading),
        businessModel=model,
        websiteGoals=_goals(reading),
        blogStrategy=_blog(reading),
        searchBehavior=_search(reading),
        connectionMessage=_connection(reading),
    )


def _people(reading: Reading) -> tuple[list[str], list[str]]:
    """Who decides and who uses, at most three each: those that headings and offers name before others."""
    offered = [people for offer in reading.offers for people in offer.people[:2]]
    elsewhere = [people for sentence in reading.said for people in named_people(sentence)]
    described = named_people(reading.material.description)
    known: dict[str, str] = {}
    for phrase in [*offered, *described, *([reading.usual_people] if reading.usual_people else []), *elsewhere]:
        if not any(phrase.casefold() in other or other in phrase.casefold() for other in known):
            known.setdefault(phrase.casefold(), phrase)
    deciders = [phrase for phrase in known.values() if decides(phrase)]
    return deciders[:3], [phrase for phrase in known.values() if not decides(phrase)][:3]


def _no_deciders(reading: Reading) -> str:
    if reading.actions:
        return f"Not named on the page; whoever follows {quoted(reading.actions[0].text, 80)} decides"
    return "Not named on the page"


def _target(reading: Reading, people: Sequence[str]) -> str:
    subjects = _subjects(reading)[:2]
    about = f"for {listed(subjects, 80)}" if subjects else "for those who know its name"
    place = f", in {quoted(reading.material.place)}" if is_fit(reading.material.place) else ""
    if people:
        named = "; ".join(quoted(phrase, 80) for phrase in people[:4])
        return f"{named}, {about}{place}" if subjects else f"{named}{place}"
    return f"The page names nobody; it is {about}{place}"


def _subjects(reading: Reading) -> list[str]:
    """What the page offers. A page that says little is offered for the same reason several times."""
    headings = (offer.heading for offer in reading.offers if offer.heading and not offer.is_about_people)
    return list(dict.fromkeys(headings))


def _focus(reading: Reading) -> str:
    headings = [
        part.heading
        for part in reading.parts
        if part.role in (Role.OFFER, Role.PEOPLE, Role.PRICES) and part.texts and is_fit(part.heading)
    ]
    if headings:
        return listed(headings[:5], 80)
    phrases = reading.phrases.of_page(4)
    return f"Key phrases: {listed(phrases)}" if phrases else "The page has hardly any content"


def _description(reading: Reading) -> str:
    """The page's own description, else its first two sentences."""
    material = reading.material
    own = material.description if is_fit(material.description) else " ".join(reading.said[:2])
    if own:
        return shortened(own, _DESCRIPTION)
    title = f"; its title is {quoted(material.title)}" if material.title else ""
    return f"The page does not describe itself{title}"


def _goals(reading: Reading) -> str:
    texts = list(dict.fromkeys(action.text for action in reading.actions))
    return f"To have visitors follow {listed(texts[:3], 80)}" if texts else "The page asks its visitors to do nothing"


def _blog(reading: Reading) -> str:
    menu = [text for text in reading.material.menu if not _WRITING.isdisjoint(text.casefold().split())]
    articles = list(filter(is_fit, menu))[:3]
    subjects = _subjects(reading)[:3]
    shown = f"It links to writing of its own, {listed(articles)}" if articles else "It links to no blog or guide"
    words = f"; subjects it has words for: {listed(subjects, 80)}" if subjects else ""
    asked = f"; visitors' questions to answer first: {listed(reading.questions[:2], 120)}" if reading.questions else ""
    return f"{shown}{words}{asked}"


def _search(reading: Reading) -> str:
    name = quoted(reading.material.site_name)
    phrases = reading.phrases.of_page(4)
    place = f", in {quoted(reading.material.place)}" if is_fit(reading.material.place) else ""
    if not phrases:
        return f"By name: {name}"
    return f"By subject, in the page's own terms: {listed(phrases)}{place}; by name: {name}"


def _connection(reading: Reading) -> str:
    """The page's first heading and first sentence, and what it asks for."""
    slogans = (part.heading for part in reading.parts if part.role is Role.INTRODUCTION and is_fit(part.heading))
    opening = next(slogans, reading.material.title or reading.material.site_name)
    said = [quoted(text) for text in (opening, *reading.said[:1])]
    action = f" {quoted(reading.actions[0].text, 80)}" if reading.actions else ""
    return f"{' '.join(said)}{action}"
