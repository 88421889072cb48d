"""The language of a page: what it declares, unless its own words clearly say otherwise.

Templates ship with `lang="en"` and are filled in German, so a sure finding in enough text beats the declaration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import pycld2
from lxml.html import HtmlElement

__all__ = ["language", "language_of"]

#: Characters of text that are looked at, and those that a finding needs to count against a declaration.
_LOOKED_AT, _ENOUGH = 10_000, 300
#: Bytes (as CLD2 counts) below which a finding is a guess.
_LEAST = 40
_SURE_PERCENT = 85
_CODE = re.compile(r"([a-z]{2})(?:[-_].*)?", re.I | re.S)
#: CLD2 knows some languages by older codes.
_RENAMED = {"iw": "he", "jw": "jv", "in": "id"}


def language(root: HtmlElement, known: Mapping[str, str], text: str) -> str:
    """A two-letter code, or empty. `known` are the page's meta tags, `text` what can be read of it."""
    declared = _declared(root, known)
    found, sure = _found(text[:_LOOKED_AT])
    if found and (not declared or (sure and len(text) >= _ENOUGH)):
        return found
    return declared


def language_of(text: str) -> str:
    """The language of a text that declares none: a two-letter code, or empty."""
    return _found(text[:_LOOKED_AT])[0]


def _declared(root: HtmlElement, known: Mapping[str, str]) -> str:
    places = (
        root.get("lang", ""),
        root.get("xml:lang", ""),
        known.get("content-language", ""),
        known.get("og:locale", ""),
        known.get("language", ""),
    )
    codes = (_CODE.fullmatch(place.strip()[:35]) for place in places)
    return next((code[1].lower() for code in codes if code), "")


def _found(text: str) -> tuple[str, bool]:
    """The language of the text or empty, and whether that is sure."""
    try:
        reliable, length, languages = pycld2.detect(text.encode("utf-8", "ignore"))[:3]
    except pycld2.error:  # a character that it does not take
        return "", False
    _, code, percent, _ = languages[0]
    code = _RENAMED.get(code, code.partition("-")[0])
    if not reliable or length < _LEAST or len(code) != 2 or code == "un":
        return "", False
    return code, percent >= _SURE_PERCENT
