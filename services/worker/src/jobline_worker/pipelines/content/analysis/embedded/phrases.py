"""Key phrases: the runs of words that a page uses for its subjects.

After RAKE (Rose et al., 2010): text between stop words and marks is a candidate. Here a candidate has at most three words
and is kept only if a heading, a keyword or the title has it, or if it is said more than once, or if it has two words or
more; it is ranked by where and how often it is said. Every phrase stands on the page as it is returned, but for its case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from jobline_worker.pipelines.content.analysis.embedded.data import word_set
from jobline_worker.pipelines.content.analysis.embedded.quotes import is_fit
from jobline_worker.pipelines.content.analysis.embedded.words import STOP_WORDS, tokens

__all__ = ["Phrases", "candidates"]

#: Headings hold fewer verbs than sentences.
_MOST_WORDS, _MOST_WORDS_IN_TEXT = 3, 2
_LONGEST = 48
_PALE, _JOINING, _SUBJECTS, _EDGES = (word_set("phrases", name) for name in ("pale", "joining", "subjects", "edges"))


def candidates(text: str, most: int = _MOST_WORDS, *, is_german: bool = False) -> Iterator[str]:
    """Runs of up to `most` words that carry a subject, in lower case, as they stand in the text.

    A run may hold a verb. Several words are taken only where a noun may end: before a mark or "and", "or", "of"; and not
    behind a pronoun or "to", where a verb begins. In German a subject ends in a capital noun.
    """
    before, run = "", []
    for word, start, end in [*tokens(text), (".", len(text), len(text))]:
        if word[0].isalpha() and word.casefold().replace("’", "'") not in STOP_WORDS and len(word) > 1:
            run.append((start, end))
            continue
        phrase = text[run[0][0] : run[-1][1]].lower() if 0 < len(run) <= most else ""
        ends = not word[0].isalnum() or word.casefold() in _JOINING
        is_noun = len(run) == 1 or (ends and before not in _SUBJECTS)
        if is_german and run:
            is_noun = text[run[-1][0]].isupper()
        if 3 < len(phrase) <= _LONGEST and phrase not in _PALE and phrase.count(" ") == len(run) - 1 and is_noun:
            yield phrase
        before, run = word.casefold(), []


class Phrases:
    """The key phrases of a page, to be asked for those of one part of it."""

    def __init__(
        self, headings: Iterable[str], keywords: Iterable[str], texts: Iterable[str], *, is_german: bool = False
    ) -> None:
        self._in_heading = partial(candidates, is_german=is_german)
        self._in_text = partial(candidates, most=_MOST_WORDS_IN_TEXT, is_german=is_german)
        self._prominent = Counter(phrase for heading in headings for phrase in self._in_heading(heading))
        self._keywords = [keyword.lower() for keyword in keywords if is_fit(keyword)]
        self._said = Counter(phrase for text in texts for phrase in self._in_text(text))

    def of_page(self, most: int) -> list[str]:
        """The best phrases of the page: its keywords first."""
        ranked = sorted(self._prominent | self._said, key=lambda phrase: -self._weight(phrase))
        return _without_repeats([*self._keywords, *ranked], most)

    def of(self, heading: str, texts: Sequence[str], most: int) -> list[str]:
        """The best phrases of one section; what its heading says comes first."""
        own = [*_whole(heading), *self._in_heading(heading)]
        below = Counter(phrase for text in texts for phrase in self._in_text(text))
        kept = [phrase for phrase in below if " " in phrase or "-" in phrase or self._weight(phrase) >= 3]
        ranked = sorted(kept, key=lambda phrase: -(self._weight(phrase) + 2 * phrase.count(" ")))
        several = [phrase for phrase in own if " " in phrase]
        return _without_repeats([*several, *ranked[:3], *own, *ranked[3:]], most)

    def _weight(self, phrase: str) -> float:
        return 3 * self._prominent[phrase] + self._said[phrase] + (2 if " " in phrase else 0)


def _whole(heading: str) -> list[str]:
    """A short heading without the article or preposition before it: "Lower back and neck", as people would type it."""
    words = tokens(heading.rstrip("?!. "))
    while words and words[0][0].casefold() in _EDGES:
        del words[0]
    ends = {words[0][0].casefold(), words[-1][0].casefold()} if words else set()
    if not 2 <= len(words) <= 4 or ends & STOP_WORDS or not all(word[0].isalnum() for word, _, _ in words):
        return []
    return [heading[words[0][1] : words[-1][2]].lower()]


def _without_repeats(phrases: Iterable[str], most: int) -> list[str]:
    """Leaves out what another phrase already says."""
    kept: list[str] = []
    for phrase in phrases:
        if len(kept) == most:
            break
        if not any(phrase in other or other in phrase for other in kept):
            kept.append(phrase)
    return kept
