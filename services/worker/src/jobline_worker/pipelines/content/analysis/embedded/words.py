"""Words, marks, and the words that carry no subject of their own: those separate key phrases from each other."""

from __future__ import annotations

import re

from jobline_worker.pipelines.content.analysis.embedded.data import word_set

__all__ = ["STOP_WORDS", "tokens"]

STOP_WORDS = word_set("stop", "english") | word_set("stop", "german")

_TOKEN = re.compile(r"[^\W_]+(?:['’\-&][^\W_]+)*|[^\s\w]|_")


def tokens(text: str) -> list[tuple[str, int, int]]:
    """Words and single marks with their place in the text. A hyphen or an apostrophe inside of a word belongs to it."""
    return [(match.group(), match.start(), match.end()) for match in _TOKEN.finditer(text)]
