"""The people a page speaks of, in its own words: "confident knitters", "people over 65 who have had a fall".

A phrase is found by its noun. The words before the noun belong to it only behind a word such as "for" or "our", or at the
beginning of a sentence, because only there they cannot be the sentence's verb.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from jobline_worker.pipelines.content.analysis.embedded.data import word_set
from jobline_worker.pipelines.content.analysis.embedded.quotes import is_fit
from jobline_worker.pipelines.content.analysis.embedded.words import STOP_WORDS

__all__ = ["decides", "named_people", "usual_people"]

#: What is in neither of the first two lists is not taken for people.
_DECIDERS, _USERS = word_set("people", "deciders"), word_set("people", "users")
_PALE, _STAFF, _THINGS = (word_set("people", name) for name in ("pale", "staff", "things"))

_NOUN = "|".join(
    [r"heads of [a-z]+(?: (?:in|at|and) [a-z]+(?: [a-z]+)?)?", *sorted(_DECIDERS | _USERS, key=len, reverse=True)]
)
_WORD = r"[^\W\d_][\w'’\-]*"
_TRIGGER = r"for|our|your|all|most|many|helps?|serves?|für|unsere|alle|viele"
_CLAUSE = r"(?: (?:who|over|under|whose|aged|about to)\b[^.,;:!?()–—“”\"]{2,70}|, die [^.,;:!?()–—]{4,70})"
_PEOPLE = re.compile(
    rf"(?:(?P<open>(?:^|[.!?:] )|\b(?:{_TRIGGER}) )(?P<before>(?:{_WORD} ){{1,2}})?|\b)"
    rf"(?P<noun>{_NOUN})\b(?P<clause>{_CLAUSE})?",
    re.IGNORECASE,
)
_ANYONE = re.compile(
    r"\b(?P<phrase>(?:anyone|anybody|everyone|everybody|wer) (?:who|with)\b[^.,;:!?()–—“”\"]{4,70})", re.IGNORECASE
)
_AGENT = re.compile(
    rf"\b(?:for|what|für) (?P<phrase>(?:{_WORD} ){{0,2}}?(?P<noun>[a-z]{{3,}}(?:ers|ors|ists|ians|eurs)))\b",
    re.IGNORECASE,
)
_TO_SOMEBODY = re.compile(r"\b(?:you|your|we|us|our|i|my|me)\b", re.IGNORECASE)


def named_people(text: str, *, is_heading: bool = False) -> list[str]:
    """The phrases of one text that say something about people, most telling first; as they stand there.

    A noun alone counts in a heading, and elsewhere behind "for": other sentences that mention guests are not about whom
    something is meant for.
    """
    found = [phrase for phrase in (*_by_noun(text, is_heading), *_anyone(text), *_agents(text)) if is_fit(phrase)]
    telling = dict.fromkeys(phrase for phrase in found if phrase.casefold() not in _PALE)
    return sorted(telling, key=lambda phrase: -min(phrase.count(" "), 3))


def usual_people(texts: Iterable[str]) -> str:
    """The page's usual word for those who use what it offers, as it mostly writes it; empty if it says none twice."""
    said = Counter(
        match["noun"]
        for text in texts
        for match in _PEOPLE.finditer(text)
        if match["noun"].casefold() in _USERS - _PALE and not _is_staff(match)
    )
    word, times = next(iter(said.most_common(1)), ("", 0))
    return word if times > 1 else ""


def decides(phrase: str) -> bool:
    """Whether the people of a phrase are such as pay or decide, by the noun."""
    words = phrase.casefold().split()
    return not _DECIDERS.isdisjoint(words) or words[0] == "heads"


def _by_noun(text: str, is_heading: bool) -> Iterator[str]:
    for match in _PEOPLE.finditer(text):
        if _is_staff(match):
            continue
        before = _modifiers(match)
        clause = match["clause"] or ""
        is_definite = text[: match.start("noun")].casefold().endswith(("the ", "die "))
        if len(clause) > 60 or is_definite or _TO_SOMEBODY.search(clause):
            clause = ""
        meant = (match["open"] or "").strip().casefold() in ("for", "für", "helps", "help")
        if not (before or clause or is_heading or meant):
            continue
        start = match.start("noun") - len(before)
        yield text[start : match.end("noun") + len(clause)].strip()


def _modifiers(match: re.Match[str]) -> str:
    """The words right before the noun. A stop word among them begins another phrase ("for all new patients"), or is the
    subject of a sentence, and the word behind it then a verb ("We pay farmers")."""
    words = (match["before"] or "").split(" ")[:-1]
    stops = [place for place, word in enumerate(words) if word.casefold() in STOP_WORDS]
    opens_sentence = not (match["open"] or "").strip(" .!?:")
    if stops and opens_sentence:
        return ""
    return "".join(f"{word} " for word in words[stops[-1] + 1 if stops else 0 :])


def _is_staff(match: re.Match[str]) -> bool:
    opening = (match["open"] or "").strip().casefold()
    return opening in ("our", "unsere") and match["noun"].casefold() in _STAFF


def _anyone(text: str) -> Iterator[str]:
    for match in _ANYONE.finditer(text):
        if not _TO_SOMEBODY.search(match["phrase"]):
            yield match["phrase"].strip()


def _agents(text: str) -> Iterator[str]:
    """Behind "for", plural nouns of agents count although no list has them."""
    for match in _AGENT.finditer(text):
        words = match["phrase"].casefold().split()
        if match["noun"].casefold() not in _THINGS and STOP_WORDS.isdisjoint(words):
            yield match["phrase"]
