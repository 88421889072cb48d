"""The one pass that replaces marks by values. What is filled in is never looked at again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobline_worker.pipelines.email.embedded.phrases import with_article
from jobline_worker.pipelines.email.embedded.placeholders import ANY_MARK, Mark
from jobline_worker.providers.person_names import PersonName

__all__ = ["Values", "filled", "with_works_settled"]

_SENTENCE_START = re.compile(r"(?:^|\n|[.!?]\s|^[ \t]*(?:subject|betreff|re)[ \t]*:)[ \t]*[\"“(]*$", re.IGNORECASE)
_ARTICLE = re.compile(rf"\b([Aa])n?(?=[ \t]++{Mark.INTEREST})")
_QUOTES = "\"“„'‘«"
_WORK_NOUN = r"(?:papers?|books?|articles?|publications?|works?|stud(?:y|ies)|monographs?|novels?)"
_NOUNS = {Mark.WORK: "work", Mark.PAPER: "paper", Mark.BOOK: "book"}
_YOUR_NAMED_WORK = {
    mark: re.compile(
        rf"(\byour(?:[ \t]++[\w-]++){{0,3}}?[ \t]++{_WORK_NOUN})(?:,|[ \t]++(?:called|titled|entitled|named))?+[ \t]++"
        rf"[{_QUOTES}]?{mark}[\"”“'’»]?",
        re.IGNORECASE,
    )
    for mark in _NOUNS
}
_YOUR_WORK = {mark: re.compile(rf"(\byour[ \t]++)[{_QUOTES}]?{mark}[\"”“'’»]?", re.IGNORECASE) for mark in _NOUNS}


@dataclass(frozen=True)
class Values:
    """What fills the marks. `facts`, and the `titles` for each mark of a work, are taken in turn."""

    name: str
    person: PersonName
    interest: str
    titles: Mapping[Mark, Sequence[str]]
    facts: Sequence[str]


def with_works_settled(text: str, titles: Mapping[Mark, Sequence[str]], language: str) -> str:
    """Where not enough titles were found, the marked text speaks of the work on the interest instead of naming one."""
    for mark, found in titles.items():
        if text.count(mark) > len(found):
            text = _without_titles(text, mark, language)
    return text


def _without_titles(text: str, mark: Mark, language: str) -> str:
    if language != "en":
        return text.replace(mark, Mark.INTEREST)
    text = _YOUR_NAMED_WORK[mark].sub(rf"\1 on {Mark.INTEREST}", text)
    text = _YOUR_WORK[mark].sub(rf"\1{_NOUNS[mark]} on {Mark.INTEREST}", text)
    return text.replace(mark, f"your {_NOUNS[mark]} on {Mark.INTEREST}")


def filled(text: str, values: Values) -> str:
    """The marked text with every mark replaced by its value."""
    text = _ARTICLE.sub(lambda found: with_article(values.interest, found[1]), text)
    facts = iter(values.facts)
    used: set[str] = set()

    def value(found: re.Match[str]) -> str:
        match found.group():
            case Mark.NAME:
                return values.name
            case Mark.FIRST_NAME:
                return values.person.first or values.name
            case Mark.LAST_NAME:
                return values.person.last
            case Mark.INTEREST:
                return _interest(values.interest, found)
            case Mark.WORK | Mark.PAPER | Mark.BOOK as mark:
                return _title(_unused(values.titles[Mark(mark)], used), found)
            case Mark.FACT:
                return next(facts, "")
            case _:
                return ""

    return re.sub(ANY_MARK, value, text)


def _interest(phrase: str, found: re.Match[str]) -> str:
    """The phrase, without a word that the template says next to it, with a capital at the start of a sentence."""
    before, after = found.string[max(0, found.start() - 60) : found.start()], found.string[found.end() :][:60]
    words = phrase.split(" ")
    next_word = re.match(r"[ \t]+([\w-]+)", after)
    last_word = re.search(r"([\w-]+)[ \t]+$", before)
    if len(words) > 1 and next_word and words[-1].casefold() == next_word[1].casefold():
        words.pop()
    if len(words) > 1 and last_word and words[0].casefold() == last_word[1].casefold():
        words.pop(0)
    text = " ".join(words)
    context = found.string[found.string.rfind("\n", 0, found.start()) + 1 : found.start()][-60:]
    starts = _SENTENCE_START.search(context) is not None
    return text[:1].upper() + text[1:] if starts else text


def _unused(titles: Sequence[str], used: set[str]) -> str:
    """The best title that the letter does not have yet; the best one again if it has them all."""
    title = next((title for title in titles if title not in used), titles[0])
    used.add(title)
    return title


def _title(title: str, found: re.Match[str]) -> str:
    is_in_quotes = found.start() > 0 and found.string[found.start() - 1] in _QUOTES
    return title if is_in_quotes else f"“{title}”"
