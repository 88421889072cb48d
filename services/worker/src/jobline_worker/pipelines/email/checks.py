"""Is a text fit to be sent, and if not, the smallest repair that makes it so.

After `repaired`, a text holds no unfilled placeholder and names the recipient, whatever the model wrote and whatever
the user submitted. Placeholders are filled by literal replacement in one pass; the values are never scanned again.
"""

from __future__ import annotations

import re
from enum import Enum

__all__ = ["MAX_LENGTH", "Check", "broken_checks", "repaired"]

MIN_LENGTH, MAX_LENGTH, MIN_WORDS = 50, 10_000, 50

# A blank with the space before it, which goes with a blank that nothing can fill.
_BLANK = re.compile(
    r"(?P<space>[ \t]*)(?:\{\{(?P<placeholder>[^{}]*)\}\}|\[INSERT\b(?P<insert>[^\]\n]*)\]|\[YOUR\b[^\]\n]*\])",
    re.IGNORECASE,
)
_LEFT_OVER = re.compile(r"\{{2,}|\}{2,}|\[(?=INSERT|YOUR)", re.IGNORECASE)
_UNFILLED = re.compile(r"\{\{|\}\}|\[INSERT|\[YOUR", re.IGNORECASE)
_NAME_WORDS = re.compile(r"name|recipient|professor|author", re.IGNORECASE)
_INTEREST_WORDS = re.compile(r"research|interest|topic|field|area|subject|work|expertise", re.IGNORECASE)


class Check(Enum):
    """The checks, each with the sentence that a second try and the item's warnings are given."""

    PLACEHOLDER = "it had unfilled placeholders"
    NAME = "it did not contain the recipient's name"
    TOO_SHORT = f"it had fewer than {MIN_LENGTH} characters"
    TOO_LONG = f"it had more than {MAX_LENGTH} characters"
    FEW_WORDS = f"it had fewer than {MIN_WORDS} words"


def broken_checks(text: str, name: str) -> list[Check]:
    """The checks that the text breaks, in the order of the repairs."""
    broken = {
        Check.PLACEHOLDER: _UNFILLED.search(text) is not None,
        Check.NAME: not _has_name(text, name),
        Check.TOO_SHORT: len(text) < MIN_LENGTH,
        Check.TOO_LONG: len(text) > MAX_LENGTH,
        Check.FEW_WORDS: len(text.split()) < MIN_WORDS,
    }
    return [check for check, is_broken in broken.items() if is_broken]


def repaired(text: str, name: str, interest: str) -> str:
    """The text with placeholders filled or removed, at most MAX_LENGTH characters, greeting the recipient by name."""
    safe_name, safe_interest = _without_blanks(name), _without_blanks(interest)
    text = _without_blanks(_BLANK.sub(lambda blank: _fill(blank, safe_name, safe_interest), text))
    text = text[:MAX_LENGTH]
    if not _has_name(text, safe_name):
        text = f"Dear {safe_name},\n\n{text.lstrip()}"[:MAX_LENGTH]
    return text


def _fill(blank: re.Match[str], name: str, interest: str) -> str:
    """What stands in for a blank; nothing for one of unknown meaning, or for `[YOUR …]`, which is the sender's."""
    wanted = blank["placeholder"] or blank["insert"] or ""
    if _INTEREST_WORDS.search(wanted):
        return blank["space"] + interest
    return blank["space"] + name if _NAME_WORDS.search(wanted) else ""


def _without_blanks(text: str) -> str:
    """The text without marks of a placeholder. Removing one may join two halves of another, hence the loop."""
    while _UNFILLED.search(text):
        text = _LEFT_OVER.sub("", text)
    return text.strip()


def _has_name(text: str, name: str) -> bool:
    text, name = text.casefold(), name.strip().casefold()
    return name in text or name.split()[-1] in text if name else True
