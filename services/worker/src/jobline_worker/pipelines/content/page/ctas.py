"""Calls to action: which of a page's links, buttons and forms ask the visitor to do something, and how well.

`conversion_potential` is the sum of (at most 100, at least 1):

| what | points |
|---|---|
| what the words ask for | 15 to 60, see `intents` |
| a button that asks for nothing known | 20 |
| a form; one that only wants an e-mail address | 50; 45 (or more, when its button's words are worth more) |
| a phone number | 45 |
| placement: hero, header, main content, navigation, sidebar, footer | 20, 12, 8, 6, 4, 0 |
| looks like a button, or is a form's | 10 |
| more than six words | -10 |
| the same words stand in a better place, too | -20 |
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from jobline_worker.pipelines.content.page.facts import Form, Link, PageFacts
from jobline_worker.pipelines.content.page.intents import READING_ON, Intent, intent_of, is_noise
from jobline_worker.pipelines.content.page.placement import FOOTER, HEADER, HERO, MAIN, NAVIGATION, SIDEBAR

__all__ = ["Cta", "find_ctas"]

#: More words are a sentence with a link in it.
MAX_WORDS = 10

_OF_PLACE = {HERO: 20, HEADER: 12, MAIN: 8, NAVIGATION: 6, SIDEBAR: 4, FOOTER: 0}
_OF_A_BUTTON, _OF_A_LONG_TEXT, _OF_A_REPETITION = 10, -10, -20
_PLAIN_BUTTON, _FORM, _EMAIL_CAPTURE, _PHONE, _MAIL, _FILE = 20, 50, 45, 45, 45, 40
_FILE_NAME = re.compile(r"\.(?:pdf|zip|dmg|exe|msi|pkg|deb|rpm|apk|docx?|xlsx?|pptx?|epub|ics|csv)$", re.I)
#: What a visitor enters about themselves; forms without such a field search, filter or sort.
_PERSONAL = re.compile(
    r"email|e-mail|tel|phone|telefon|textarea|name|file|message|nachricht|company|firma|address|adresse", re.I
)


@dataclass(frozen=True)
class Cta:
    """`href` is an absolute http(s) address, `tel:`, `mailto:` or empty; `conversion_potential` is 1 to 100."""

    text: str
    type: str
    href: str
    placement: str
    conversion_potential: int


def find_ctas(facts: PageFacts) -> tuple[Cta, ...]:
    """The page's calls to action, best first, equal ones in page order; one for a text in a placement."""
    found = [*filter(None, map(_of_form, facts.forms)), *filter(None, map(_of_link, facts.links))]
    return tuple(_repetitions_behind(_best_first(found)))


def _best_first(ctas: Iterable[Cta]) -> list[Cta]:
    return sorted(ctas, key=lambda cta: -cta.conversion_potential)


def _repetitions_behind(ctas: Iterable[Cta]) -> list[Cta]:
    placed: set[tuple[str, str]] = set()
    said: set[str] = set()
    kept = []
    for cta in ctas:
        words = cta.text.casefold()
        if (words, cta.placement) in placed:
            continue
        kept.append(_lowered(cta) if words in said else cta)
        placed.add((words, cta.placement))
        said.add(words)
    return _best_first(kept)


def _lowered(cta: Cta) -> Cta:
    return replace(cta, conversion_potential=_bounded(cta.conversion_potential + _OF_A_REPETITION))


def _of_link(link: Link) -> Cta | None:
    if is_noise(link.text) or len(link.text.split()) > MAX_WORDS:
        return None
    is_button = link.kind == "button"
    points = _points_of_link(link, is_button)
    if points is None:
        return None
    score = _score(points, link.text, link.placement, is_button)
    return Cta(link.text, _type_of_link(link, is_button), link.href, link.placement, score)


def _points_of_link(link: Link, is_button: bool) -> int | None:
    intent = intent_of(link.text)
    if link.href.startswith("tel:"):
        return _PHONE
    if link.href.startswith("mailto:"):
        return _MAIL
    if intent is None or intent == READING_ON:
        if is_button:
            return _PLAIN_BUTTON if intent is None else intent.points
        return _FILE if intent is None and _is_file(link.href) and link.placement != FOOTER else None
    return intent.points


def _type_of_link(link: Link, is_button: bool) -> str:
    if link.href.startswith("tel:"):
        return "phone_link"
    if link.href.startswith("mailto:"):
        return "contact_link"
    intent = intent_of(link.text)
    if intent and intent.type:
        return intent.type
    if _is_file(link.href):
        return "download_link"
    return "button" if is_button else "cta_element"


def _is_file(href: str) -> bool:
    return bool(_FILE_NAME.search(urlsplit(href).path))


def _of_form(form: Form) -> Cta | None:
    text = form.submit
    if not text or is_noise(text) or len(text.split()) > MAX_WORDS or "search" in form.fields:
        return None
    intent = intent_of(text)
    if intent == READING_ON:
        intent = None
    signs_up = intent is not None and intent.type == "signup_link"
    if ("password" in form.fields and not signs_up) or not (intent or any(map(_PERSONAL.search, form.fields))):
        return None
    kind, points = _type_of_form(form, intent)
    return Cta(text, kind, form.action, form.placement, _score(points, text, form.placement, is_button=True))


def _type_of_form(form: Form, intent: Intent | None) -> tuple[str, int]:
    """Its type and points: at least those of its kind, more where the words on its button are worth more."""
    points = intent.points if intent else 0
    if not form.fields:
        return (intent and intent.type) or "button", points
    if _wants_email_only(form):
        return "email_capture", max(_EMAIL_CAPTURE, points)
    return "form", max(_FORM, points)


def _wants_email_only(form: Form) -> bool:
    """An e-mail address, perhaps a name or a choice with it."""
    more = [
        field for field in form.fields if field not in ("email", "checkbox", "radio", "select") and "name" not in field
    ]
    return "email" in form.fields and not more


def _score(points: int, text: str, placement: str, is_button: bool) -> int:
    length = _OF_A_LONG_TEXT if len(text.split()) > 6 else 0
    return _bounded(points + _OF_PLACE[placement] + (_OF_A_BUTTON if is_button else 0) + length)


def _bounded(score: int) -> int:
    return max(1, min(score, 100))
