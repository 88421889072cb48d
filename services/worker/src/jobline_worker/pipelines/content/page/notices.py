"""Cookie notices: they are on the page, and they are not what it says.

A name alone tells too little (a bakery has cookies, too): a notice is a short box that is named or pinned like one,
speaks of cookies, and has a button that agrees or closes.
"""

from __future__ import annotations

import re
from itertools import islice

from lxml.html import HtmlElement

__all__ = ["is_cookie_notice"]

MAX_TEXT, MAX_ELEMENTS = 1_500, 80

_NAMED = re.compile(r"cookie|consent|gdpr|\bck\b|\bcc-|onetrust|cybot|usercentrics", re.I)
_PINNED = re.compile(r"position\s*:\s*(?:fixed|sticky)", re.I)
_TOPIC = re.compile(r"cookie|consent|tracking|datenschutz", re.I)
_AGREES = re.compile(
    r"\s*(?:ok(?:ay)?|yes|no|ja|nein|got it|fine|allow|accept|agree|i agree|reject|decline|deny|only|necessary|essential|"
    r"close|dismiss|understood|verstanden|alle|akzeptieren|annehmen|ablehnen|zustimmen|einverstanden|nur|notwendige|"
    r"schließen|in ordnung)\b",
    re.I,
)


def is_cookie_notice(element: HtmlElement) -> bool:
    names = f"{element.get('class', '')[:300]} {element.get('id', '')[:100]}"
    if not (_NAMED.search(names) or _PINNED.search(element.get("style", "")[:500])):
        return False
    parts = list(islice(element.iter(), MAX_ELEMENTS + 1))
    text = "".join(islice(element.itertext(), 2 * MAX_ELEMENTS))[: MAX_TEXT + 1]
    if len(parts) > MAX_ELEMENTS or len(text) > MAX_TEXT or not _TOPIC.search(text):
        return False
    controls = (part for part in parts if part.tag in ("button", "a") or part.get("role") == "button")
    return any(_AGREES.match("".join(islice(control.itertext(), 10))) for control in controls)
