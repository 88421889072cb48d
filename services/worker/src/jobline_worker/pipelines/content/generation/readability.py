"""How easy a text is to read: Flesch's reading ease, with syllables from Pyphen's hyphenation patterns.

R. Flesch, "A new readability yardstick", Journal of Applied Psychology 32 (1948): 206.835 − 1.015 · words per sentence −
84.6 · syllables per word; 60 to 70 is plain English. For German the constants are T. Amstad's (1978): 180 − words per
sentence − 58.5 · syllables per word. A hyphenation point is a syllable's border, but the patterns leave out those next to
a word's ends, so the true value is a little lower than the one given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import pyphen  # type: ignore[import-untyped]

from jobline_worker.providers.passages import sentences

__all__ = ["reading_ease"]

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_FEWEST_WORDS = 30
_CONSTANTS = {"en": (206.835, 1.015, 84.6), "de": (180.0, 1.0, 58.5)}
_PATTERNS = {"en": "en_US", "de": "de_DE"}


def reading_ease(paragraphs: Sequence[str], language: str) -> float | None:
    """Mostly 0 (hard) to 100 (easy); None for fewer than 30 words or a language that is neither English nor German."""
    if language not in _CONSTANTS:
        return None
    said = [found for paragraph in paragraphs for each in sentences(paragraph) if (found := _WORD.findall(each))]
    words = [word for sentence in said for word in sentence]
    if len(words) < _FEWEST_WORDS:
        return None
    base, per_sentence, per_word = _CONSTANTS[language]
    syllables = sum(_syllables(language, word.lower()) for word in words)
    return base - per_sentence * len(words) / len(said) - per_word * syllables / len(words)


@lru_cache(maxsize=2)
def _hyphenation(language: str) -> pyphen.Pyphen:
    return pyphen.Pyphen(lang=_PATTERNS[language], left=1, right=1)


@lru_cache(maxsize=20_000)
def _syllables(language: str, word: str) -> int:
    return len(_hyphenation(language).positions(word)) + 1
