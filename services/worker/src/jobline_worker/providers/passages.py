"""Sentences of untrusted text, and how well each fits an interest.

The corpus picks its snippets, the digest its facts and the embedded composer its sentences by the same measure, so
that all three agree on what fits. Sentence splitting is sentencex's, stemming is Snowball's English stemmer; the score
is the summed inverse document frequency of the interest's stems (the idf half of Okapi BM25; the passages are single
sentences, so term frequency and length say nothing).
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

import sentencex  # type: ignore[import-untyped]
import snowballstemmer  # type: ignore[import-untyped]

from jobline_worker.providers.person_names import folded_words

__all__ = ["Interest", "sentences", "split_keeping_spaces", "stems", "word_stems"]

# sentencex needs time in the square of its input, so a hostile page without line ends must be cut into windows.
_WINDOW = 2000
_STOP_WORDS = frozenset(
    folded_words(
        "a about after all also an and any are as at be been before but by can could did do does for from had has have "
        "he her his how i in into is it its last more most my no not of on one or other our she since so some such than "
        "that the their them then there these they this those through to under up was we were what when where which "
        "while who will with would you your work works research study studies studied field area topic interest"
    )
)
_stemmers = threading.local()


@lru_cache(maxsize=20_000)
def _stem(word: str) -> str:
    # A Snowball stemmer works on state of its own, and steps extract text in several threads at once.
    if not hasattr(_stemmers, "english"):
        _stemmers.english = snowballstemmer.stemmer("english")
    return str(_stemmers.english.stemWord(word))


def stems(text: str) -> frozenset[str]:
    """The stems of the words that carry meaning."""
    return frozenset(_stem(word) for word in folded_words(text) if word not in _STOP_WORDS and len(word) > 1)


def word_stems(text: str) -> list[str]:
    """The stems of all words, in their order."""
    return [_stem(word) for word in folded_words(text)]


def split_keeping_spaces(line: str) -> list[str]:
    """The sentences of one line with their trailing spaces: joined, they are the line again."""
    windows = (line[start : start + _WINDOW] for start in range(0, len(line), _WINDOW))
    return [str(sentence) for window in windows for sentence in sentencex.segment("en", window)]


def sentences(text: str) -> list[str]:
    """The sentences of a text; a line end always ends a sentence, inner white space becomes one blank."""
    split = (sentence for line in text.splitlines() for sentence in split_keeping_spaces(line))
    return [tidy for sentence in split if (tidy := " ".join(sentence.split()))]


class Interest:
    """An interest, ready to score passages of one collection."""

    def __init__(self, interest: str, passages: Sequence[str]) -> None:
        self._wanted = stems(interest)
        self._idf = _inverse_document_frequency(self._wanted, passages)

    def fit(self, passage: str) -> float:
        """0 for a passage that shares no word with the interest, more for rarer shared words."""
        return math.fsum(sorted(self._idf.get(stem, 0.0) for stem in self._wanted & stems(passage)))


def _inverse_document_frequency(wanted: Iterable[str], passages: Sequence[str]) -> dict[str, float]:
    counted = frozenset(wanted)
    seen = Counter(stem for passage in passages for stem in counted & stems(passage))
    return {stem: math.log(1 + (len(passages) + 1) / (seen[stem] + 0.5)) for stem in counted}
