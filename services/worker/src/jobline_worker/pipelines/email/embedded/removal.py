"""Take a placeholder that nobody can fill out of a sentence, and leave a sentence.

The smallest piece that can go goes: the line, the brackets, the piece between commas, the preposition in front of it,
the clause, and only then the sentence.
"""

from __future__ import annotations

import re

from jobline_worker.pipelines.email.embedded.placeholders import Mark
from jobline_worker.providers.passages import split_keeping_spaces

__all__ = ["without_unknown"]

_U = Mark.UNKNOWN
_ARTICLE = (
    r"(?:(?:the|a|an|my|your|our|their|der|die|das|dem|den|des|meine[rmn]?|meiner|ihre[rmn]?|ein|eine[rmn]?)[ \t]++)?+"
)
_PREPOSITION = (
    r"(?:at|from|in|of|for|with|by|on|to|about|as|during|since|via|near|like|called|named|bei|aus|im|von|vom|für|"
    r"über|mit|zu|zum|zur|auf|seit|namens)"
)
_BEFORE_CLAUSE_END = (
    r"(?=[ \t]*+(?:[,.;:!?)]|$|[ \t](?:and|or|but|to|in|at|on|from|for|with|who|where|which|that|und|oder|der|die)\b))"
)
_PIECES = (
    re.compile(rf"(?<=\bI am)[ \t]++{_U},(?=[ \t]an?\b)", re.IGNORECASE),
    re.compile(rf"[ \t]*+\([^()\n]{{0,80}}{_U}[^()\n]{{0,80}}\)"),
    re.compile(rf",[ \t]*+{_U}(?=[ \t]*+[,.;!?\n]|$)"),
    re.compile(
        rf"(?:^|(?<=\s)){_PREPOSITION}[ \t]++{_ARTICLE}{_U}(?:[ \t]++(?:and|or|in|at|,)?[ \t]*+{_U})*+{_BEFORE_CLAUSE_END}",
        re.IGNORECASE,
    ),
)
_CLAUSE = re.compile(r"(?:,[ \t]+|[ \t]+)(?:and|but|so|und|aber)[ \t]+(?=(?:I|we|you|ich|wir)\b)", re.IGNORECASE)
_SPACE_BEFORE_POINT = re.compile(r"[ \t]+(?=[,.;:!?)](?:\s|$))")


def without_unknown(text: str) -> str:
    """The marked text without unknown marks; text that has none is returned as it is."""
    if _U not in text:
        return text
    lines = [_line(line) if _U in line else line for line in text.split("\n")]
    kept = "\n".join(line for line in lines if line is not None)
    if not any(char.isalpha() for char in kept):
        return text.replace(_U, "")
    return re.sub(r"\n{3,}", "\n\n", kept).strip("\n")


def _line(line: str) -> str | None:
    """The line without unknown marks, None if nothing worth keeping is left of it."""
    if not any(char.isalnum() or (char != _U and char in set(Mark)) for char in line):
        return None
    for piece in _PIECES:
        line = piece.sub("", line)
    if _U in line:
        line = "".join(_sentence(sentence) for sentence in split_keeping_spaces(line)).rstrip()
    line = _SPACE_BEFORE_POINT.sub("", re.sub(r"(?<=\S)[ \t]{2,}", " ", line))
    return line if line.strip(" \t.,;:!?-–—") else None


def _sentence(sentence: str) -> str:
    if _U not in sentence:
        return sentence
    clauses = [clause for clause in _CLAUSE.split(sentence) if _U not in clause]
    if not clauses or not any(char.isalpha() for char in clauses[0]):
        return ""
    kept = " and ".join(clause.strip() for clause in clauses)
    end = "" if kept[-1] in ".!?," else "."
    return kept[:1].upper() + kept[1:] + end + sentence[len(sentence.rstrip()) :]
