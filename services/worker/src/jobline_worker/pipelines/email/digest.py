"""The sentences of found pages that say something about one person, best first for one interest.

Extraction only: every sentence stands in a page as it is returned, so nothing can be made up, and the same pages
always give the same digest. Pages are untrusted. A sentence counts only if it is plain prose about a third person:
whatever addresses its reader ("you", "ignore the above", "click here"), carries a link, an address or markup, or does
not speak of the recipient, is not a fact about them. That also keeps text aimed at a language model out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jobline_worker.providers.passages import Interest, sentences, stems
from jobline_worker.providers.person_names import folded_words, last_word

__all__ = ["digest", "listed_work", "speaks_of"]

_MAX_BACKGROUND, _MAX_WORKS = 8, 10
_MAX_PAGE_LENGTH = 200_000
_MIN_FACT, _MAX_FACT = 20, 320
_MAX_TITLE = 160

_ODD = re.compile(r"[<>{}\[\]|\\`*_#=~@^\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ue000-\uf8ff]|://|www\.")
_ADDRESSES_SOMEBODY = re.compile(
    r"\b(?:you|your|yours|yourself|(?-i:I(?=['’ ][a-z]))|me|my|we|(?-i:us)|our|ours|ignore|"
    r"disregard|instructions?|prompts?|password|click|subscribe|cookies?|sign up|log in|e-?mail|assistant|as an ai)\b",
    re.IGNORECASE,
)
_IMPERATIVE = re.compile(
    r"(?:please|do|don't|never|always|stop|start|write|respond|reply|answer|output|print|repeat|reveal|send|say|tell|"
    r"visit|follow|contact|remember|forget|delete|execute|run|act|pretend|translate|summari[sz]e|include|mention|add|"
    r"use|make|read|see|note|call|buy|download|view|show|find|get|go|learn|share)\b",
    re.IGNORECASE,
)
_TITLE_ORDERS = re.compile(r"\b(?:ignore|disregard|instructions?|prompts?|password|click)\b", re.IGNORECASE)
_BULLET = re.compile(r"^\s*(?:[-*•–]\s+|\d{1,3}[.)]\s+)")
_LISTED_WORK = re.compile(r"[^“”\"]{0,80}[“\"](?P<title>[^“”\"]{3,200}?)[,.]?[”\"](?P<rest>.*)")
_BOOK_KIND = re.compile(r"\b(?:book|textbook|memoir|novel|monograph)\b", re.IGNORECASE)
_PAPER_KIND = re.compile(
    r"\b(?:paper|article|journal|proceedings|conference|transactions|arxiv|doi|acm|ieee)\b", re.IGNORECASE
)
_KINDS = {_BOOK_KIND: ", book", _PAPER_KIND: ", paper"}
_YEAR = re.compile(r"\b(?:1[5-9]|20)\d\d\b")
_ABOUT_WORKS = re.compile(
    r"[“”]|\b(?:books?|papers?|articles?|textbooks?|memoir|monograph|novels?|report|published|publications?|wrote|"
    r"written|(?:co-?)?authored|editor)\b",
    re.IGNORECASE,
)
_SUBJECT_PRONOUN = re.compile(r"(?:He|She|His|Her)\b")


@dataclass(frozen=True)
class _Passage:
    text: str
    heading: str
    is_work: bool
    is_listed: bool


def digest(pages: Sequence[tuple[str, str, str]], name: str, interest: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """From pages (url, title, text) to sentences on the person's background and on their works, each best first.

    A line that lists a work becomes `“Title” (year)`, with `book` or `paper` behind the year where it says so. At most
    8 and 10 are returned; pages that do not name the person (by the last word of the name) give nothing.
    """
    passages = list(dict.fromkeys(passage for page in pages for passage in _passages(page, name)))
    measure = Interest(interest, [passage.text for passage in passages])

    def rank(passage: _Passage) -> float:
        fit = 2 * measure.fit(passage.text) + measure.fit(passage.heading)
        return -(fit + (0 if _SUBJECT_PRONOUN.match(passage.text) else 0.5) - (0.25 if passage.is_listed else 0))

    ranked = _without_repeats(sorted(passages, key=rank))
    background = [passage.text for passage in ranked if not passage.is_work]
    works = [passage.text for passage in ranked if passage.is_work]
    return tuple(background[:_MAX_BACKGROUND]), tuple(works[:_MAX_WORKS])


def speaks_of(sentence: str, name: str) -> bool:
    """Whether a sentence is plain prose about the person, fit to be repeated in a letter.

    It names them, or has "he" or "she" for its subject: `digest` keeps such a sentence only behind one that names them.
    """
    return _is_prose(sentence) and (_names(sentence, name) or _SUBJECT_PRONOUN.match(sentence) is not None)


def _is_prose(sentence: str) -> bool:
    if not _MIN_FACT <= len(sentence) <= _MAX_FACT or sentence[-1:] not in ".”":
        return False
    if _ODD.search(sentence) or _ADDRESSES_SOMEBODY.search(sentence) or _IMPERATIVE.match(sentence):
        return False
    letters = sum(char.isalpha() or char == " " for char in sentence)
    return letters >= 0.85 * len(sentence) and sentence[0] in "“‘" + sentence[0].upper()


def listed_work(line: str) -> str | None:
    """`“Title” (year)` or `“Title” (year, book)` for a line that lists a work; None for others and without a year."""
    match = _LISTED_WORK.fullmatch(_BULLET.sub("", line, count=1)[:1000])
    if match is None:
        return None
    title = " ".join(match["title"].split())
    year = _YEAR.search(match["rest"]) or _YEAR.search(line[: match.start("title")])
    if year is None or len(title) > _MAX_TITLE or _ODD.search(title) or _TITLE_ORDERS.search(title):
        return None
    kind = _BOOK_KIND.search(match["rest"]) or _PAPER_KIND.search(match["rest"])
    return f"“{title}” ({year.group()}{_KINDS[kind.re] if kind else ''})"


def _passages(page: tuple[str, str, str], name: str) -> Iterator[_Passage]:
    _, title, text = page
    if not _names(f"{title}\n{text[:_MAX_PAGE_LENGTH]}", name):
        return
    heading = ""
    for line in text[:_MAX_PAGE_LENGTH].splitlines():
        stripped = line.strip()
        if _is_heading(stripped):
            heading = stripped
        elif work := _work_of_list(line):
            yield _Passage(work, heading, is_work=True, is_listed=True)
        else:
            yield from _facts(stripped, heading, name)


def _is_heading(line: str) -> bool:
    return 0 < len(line) <= 80 and line[-1] not in '.!?”"):;,' and not _YEAR.search(line)


def _work_of_list(line: str) -> str | None:
    """Only a line that begins with a bullet or a title is a list entry; a sentence may quote a title, too."""
    is_entry = _BULLET.match(line) is not None or line.lstrip()[:1] in {"“", '"'}
    is_sentence = line.rstrip().endswith(".") and line.lstrip()[:1] not in {"“", '"'}
    return listed_work(line) if is_entry and not is_sentence else None


def _facts(line: str, heading: str, name: str) -> Iterator[_Passage]:
    """The line's facts. "She" counts only behind a sentence about the person, so that it is no other woman."""
    follows_person = False
    for sentence in sentences(_BULLET.sub("", line, count=1)):
        if len(sentence) < _MIN_FACT:
            continue
        is_named = _names(sentence, name)
        follows_person = is_named or (follows_person and _SUBJECT_PRONOUN.match(sentence) is not None)
        if follows_person and speaks_of(sentence, name):
            yield _Passage(sentence, heading, _ABOUT_WORKS.search(sentence) is not None, is_listed=False)


def _names(text: str, name: str) -> bool:
    wanted = folded_words(last_word(name))
    if not wanted:
        return False
    words = folded_words(text)
    return all(word in words for word in wanted)


def _without_repeats(passages: Sequence[_Passage]) -> list[_Passage]:
    """Pages copy from each other: of sentences with the same words only the first is kept."""
    distinct: dict[frozenset[str], _Passage] = {}
    for passage in passages:
        distinct.setdefault(stems(passage.text), passage)
    return list(distinct.values())
