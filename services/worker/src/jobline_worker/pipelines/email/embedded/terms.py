"""What to search for when no language model is there to say it."""

from __future__ import annotations

import re

from jobline_worker.pipelines.email.embedded.placeholders import Mark, marked

__all__ = ["search_terms"]

_LONGEST, _SHORTEST = 200, 3


def search_terms(template: str, name: str, interest: str) -> list[str]:
    """One or two terms of 3 to 200 characters: the name with the interest, and the name with what the letter is about.

    The first contains the name as submitted (cut to 200 characters).
    """
    name = name.strip()[:_LONGEST].strip()
    first = _cut(f"{name} {' '.join(interest.split())}")
    about = _subject(template)
    second = _cut(f"{name} {about}") if about else first
    return [term for term in dict.fromkeys((first, second)) if len(term) >= _SHORTEST] or [f"{name} profile"]


def _subject(template: str) -> str:
    text = marked(template)
    if Mark.WORK in text or re.search(r"\b(?:papers?|publications?|research)\b", text, re.IGNORECASE):
        return "publications"
    return "books" if re.search(r"\bbooks?\b", text, re.IGNORECASE) else ""


def _cut(term: str) -> str:
    """At most 200 characters, ending at a word where that leaves the name whole."""
    if len(term) <= _LONGEST:
        return term.strip()
    return term[:_LONGEST].strip()
