"""How a submitted name is read: titles apart from the person, one spelling for comparing.

People write the same person as "Dr. Barbara Liskov", "Liskov, Barbara" or "Barbara H. Liskov". Searching the corpus,
asking arXiv and composing an e-mail must all mean the same person by these, so the reading lives in one place.
The parsing itself is nameparser's, with its long list of titles cut down to academic and courtesy ones: with the full
list "Dean Kamen" would lose his first name to a title.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from nameparser import HumanName
from nameparser.config import Constants

__all__ = ["TITLE_WORDS", "PersonName", "bare_name", "folded_words", "last_word", "name_key", "read_name"]

TITLE_WORDS = frozenset({"dr", "prof", "professor", "doctor", "sir", "dame", "mr", "mrs", "ms", "miss", "mx"})

_CONSTANTS = Constants(titles=TITLE_WORDS, first_name_titles=())
_LONGEST_NAME = 300
_WORD = re.compile(r"\w+(?:['’]\w+)*")


@dataclass(frozen=True)
class PersonName:
    """The parts of one name; a part that the name does not have is empty."""

    honorific: str
    first: str
    last: str
    bare: str


def read_name(name: str) -> PersonName:
    """Parse a submitted name (at most 300 characters of it); never fails, an odd name is all `bare`."""
    text = " ".join(name[:_LONGEST_NAME].split())
    parsed = HumanName(text, constants=_CONSTANTS)
    bare = " ".join(part for part in (parsed.first, parsed.middle, parsed.last) if part)
    if not bare:
        return PersonName("", "", text, text)
    return PersonName(parsed.title, parsed.first, parsed.last or parsed.first, bare)


def bare_name(name: str) -> str:
    """The name without titles such as Dr. and Prof. and without degrees: what arXiv's `au:` expects."""
    return read_name(name).bare


def last_word(name: str) -> str:
    """The last word of the bare name, the shortest text that still names the person ("" for a blank name)."""
    words = bare_name(name).split()
    return words[-1] if words else ""


def folded_words(text: str) -> list[str]:
    """The words of a text, lower case and without accents, so that "Karikó" and "Kariko" are one word."""
    decomposed = unicodedata.normalize("NFKD", text)
    plain = "".join(char for char in decomposed if not unicodedata.combining(char))
    return [word.casefold() for word in _WORD.findall(plain)]


def name_key(name: str) -> tuple[str, ...]:
    """What two spellings of one name have in common: folded words without titles and single initials."""
    words = folded_words(bare_name(name))
    return tuple(word for word in words if len(word) > 1 and word not in TITLE_WORDS) or tuple(words)
