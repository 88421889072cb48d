"""What visitors click and fill in: which elements are links, buttons and fields, and what a field asks for."""

from __future__ import annotations

import re

from lxml.html import HtmlElement

from jobline_worker.pipelines.content.page.text import clean

__all__ = ["asked_for", "is_interactive", "looks_like_button", "submits"]

#: Characters of a field's name.
MAX_FIELD = 60

_BUTTON_INPUTS = frozenset({"submit", "button", "image", "reset"})
_UNTELLING = frozenset({"", "text", "input"})
_BUTTON_WORDS = re.compile(r"(?:^|[\s_-])(?:btn|button|cta)(?:$|[\s_-])|(?:Button|Btn|Cta)(?:$|[\s_-])")
_EMAIL = re.compile(r"e-?mail", re.I)
_SEARCH = re.compile(r"(?:q|s|search|query|suche|keywords?)", re.I)


def is_interactive(element: HtmlElement) -> bool:
    match element.tag:
        case "a":
            return "href" in element.attrib or element.get("role") == "button"
        case "button":
            return _type(element) != "reset"
        case "input":
            return _type(element) in ("submit", "button", "image")
        case _:
            return bool(element.get("role") == "button")


def looks_like_button(element: HtmlElement) -> bool:
    if element.tag in ("button", "input") or element.get("role") == "button":
        return True
    return bool(_BUTTON_WORDS.search(element.get("class", "")[:500]))


def submits(element: HtmlElement) -> bool:
    kind = _type(element)
    return kind in ("submit", "image") or (element.tag == "button" and kind == "")


def asked_for(element: HtmlElement) -> list[str]:
    """What a form's field is about: none for what a visitor does not fill in."""
    kind = _type(element) if element.tag == "input" else element.tag
    if kind == "hidden" or kind in _BUTTON_INPUTS:
        return []
    names = (element.get(name, "")[:MAX_FIELD] for name in ("name", "autocomplete", "placeholder", "aria-label", "id"))
    name = next(filter(None, (clean(name, MAX_FIELD).lower() for name in names)), "")
    if kind not in _UNTELLING:
        return [clean(kind, MAX_FIELD)]
    if _EMAIL.search(name):
        return ["email"]
    return ["search"] if _SEARCH.fullmatch(name) else [name or "text"]


def _type(element: HtmlElement) -> str:
    return str(element.get("type", "")).strip().lower()
