"""Placeholders: found in a template, understood by their names, and held as one character each.

Every placeholder becomes a mark, a private-use character that stands for its kind. The sender's text is cleared of
such characters first, so a mark can only come from a placeholder; values are cleared of them too, so one pass that
replaces the marks can never meet a placeholder inside a value. That is the whole template engine.
"""

from __future__ import annotations

import re
from enum import StrEnum

from jobline_worker.providers.person_names import folded_words

__all__ = ["ANY_MARK", "Mark", "clean", "kind_of", "marked"]


class Mark(StrEnum):
    """What a placeholder asks for. `UNKNOWN` is what nobody can know, such as the sender's own details."""

    NAME = "\ue000"
    FIRST_NAME = "\ue001"
    LAST_NAME = "\ue002"
    HONORIFIC = "\ue003"
    INTEREST = "\ue004"
    WORK = "\ue005"
    PAPER = "\ue006"
    BOOK = "\ue007"
    FACT = "\ue008"
    UNKNOWN = "\ue009"


ANY_MARK = "[\ue000-\ue009]"

_LONGEST_TEMPLATE = 8000
_UNWANTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b\u202a-\u202e\u2066-\u2069\ufeff\ue000-\uf8ff\ud800-\udfff]")
# "{{mention something specific about their work}}" is an order to the writer, not the name of a value.
_WORDS_OF_AN_ORDER = 5
_BRACKETED = re.compile(r"\[(?:INSERT|YOUR)[^\[\]\n]{0,200}\]", re.IGNORECASE)
_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")
_CLOSING = re.compile(r"[ \t]*\}+")
_SEPARATORS = re.compile(r"[_\W\d]+")

_SENDER = frozenset({"my", "me", "sender", "student", "own", "signature", "mein", "meine", "absender"})
_CIRCUMSTANCE = frozenset(
    folded_words(
        "university institution institute company school college department lab laboratory organization organisation "
        "affiliation employer city country place position role job date day time year month email mail phone link url "
        "website address degree major program programme course uni hochschule firma ort datum"
    )
)
_PAPER = frozenset(folded_words("paper article artikel aufsatz preprint"))
_BOOK = frozenset(folded_words("book textbook monograph novel memoir buch"))
_PUBLICATION = frozenset(folded_words("publication publikation veroffentlichung"))
_INTEREST = frozenset(
    folded_words(
        "research interest topic field area subject specialty speciality expertise focus domain discipline theme work "
        "study keyword forschung thema themen gebiet fachgebiet fach bereich interesse interessen sujet tema domaine"
    )
)
_PERSON = frozenset(
    folded_words(
        "name fullname recipient professor prof author researcher scientist scholar teacher person doctor dr expert "
        "contact empfanger empfaenger autor nom nombre"
    )
)
_FACT = frozenset(
    folded_words(
        "fact detail achievement accomplishment contribution finding discovery award compliment insight hook sentence "
        "mention specific personalization personalisation highlight"
    )
)


def clean(text: str) -> str:
    """Text without control, direction and private-use characters, with Unix line ends."""
    return _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0b", "\n"))


def marked(template: str) -> str:
    """The template with a mark in the place of every placeholder, and without any other double brace.

    Placeholders are matched from the inside, so `{{ {{name}} }}` is one placeholder and its wrapping goes. Linear in
    the length of the template, of which 8000 characters count.
    """
    text = clean(template)[:_LONGEST_TEMPLATE]
    pieces: list[str] = []
    position = 0
    while (close := text.find("}}", position)) >= 0:
        start = text.rfind("{{", position, close)
        if start < 0:
            pieces.append(text[position:close])
        else:
            pieces += [text[position:start].rstrip("{"), kind_of(text[start + 2 : close])]
        position = _skip_braces(text, close)
    pieces.append(text[position:])
    joined = re.sub(r"\{{2,}[ \t]*|\}{2,}", "", "".join(pieces))
    return _BRACKETED.sub(Mark.UNKNOWN, joined)


def kind_of(placeholder: str) -> Mark:
    """What the text between the braces asks for, by its words: `recipientName`, `research_topic`, `my university`."""
    spaced = _CAMEL_CASE.sub(" ", placeholder[:200])
    in_order = folded_words(_SEPARATORS.sub(" ", spaced))
    words = set(in_order)
    words |= {word.removesuffix("s") for word in words if len(word) > 3}
    if words & _SENDER or ("your" in words and words & _PERSON) or words & _CIRCUMSTANCE:
        return Mark.UNKNOWN
    if len(in_order) >= _WORDS_OF_AN_ORDER:
        return Mark.FACT
    if "author" not in words and (work := _kind_of_work(words)):
        return work
    if words & _INTEREST:
        return Mark.INTEREST
    if words & _PERSON:
        return _part_of_name(words)
    if words & {"title", "salutation", "anrede", "honorific"}:
        return Mark.HONORIFIC
    if words & {"surname", "nachname", "lastname"}:
        return Mark.LAST_NAME
    if words & {"vorname", "firstname"}:
        return Mark.FIRST_NAME
    return Mark.FACT if words & _FACT else Mark.UNKNOWN


def _kind_of_work(words: set[str]) -> Mark | None:
    if words & _PAPER:
        return Mark.PAPER
    if words & _BOOK:
        return Mark.BOOK
    return Mark.WORK if words & _PUBLICATION else None


def _part_of_name(words: set[str]) -> Mark:
    if words & {"first", "given"}:
        return Mark.FIRST_NAME
    return Mark.LAST_NAME if words & {"last", "family"} else Mark.NAME


def _skip_braces(text: str, close: int) -> int:
    """Behind `}}`, and behind further closing pairs that only white space parts from it."""
    position = close + 2
    while (after := _CLOSING.match(text, position)) is not None:
        position = after.end()
    return position
