"""What the earlier steps found, read back from the scraped content, and the facts chosen from it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jobline_worker.pipelines.email.digest import listed_work, speaks_of
from jobline_worker.pipelines.email.embedded.retelling import retold
from jobline_worker.providers.passages import Interest, sentences
from jobline_worker.providers.person_names import PersonName

__all__ = ["Fact", "Material", "Work", "read_material"]

_NOTHING_FOUND = "No information found for this professor."
_SECTION = re.compile(r"#*\s*\**(?P<title>BACKGROUND|RECENT PUBLICATIONS & WORKS|SOURCES)\**\s*:?\s*(?P<rest>.*)")
_BULLET = re.compile(r"^\s*(?:[-*•–]\s+|\d{1,3}[.)]\s+)")
_WORK = re.compile(r"“(?P<title>[^“”]+)” \((?P<year>\d{4})(?:, (?P<kind>book|paper))?\)")
_ABOUT_BOOKS = re.compile(r"\b(?:text)?books?\b|\bmemoir\b|\bwrote “", re.IGNORECASE)
_MAX_CONTENT = 20_000


@dataclass(frozen=True)
class Fact:
    """One sentence of a source; `clause` is its retelling ("you designed …"), None where it has to be quoted."""

    sentence: str
    clause: str | None
    fit: float


@dataclass(frozen=True)
class Work:
    """A title that the sources list under the person's name; `kind` is `book`, `paper` or "" where they do not say."""

    title: str
    year: int
    kind: str
    fit: float
    on_arxiv: bool


@dataclass(frozen=True)
class Material:
    """Facts and works, the best for the interest first."""

    facts: tuple[Fact, ...]
    works: tuple[Work, ...]


def read_material(
    content: str, papers: Sequence[Mapping[str, Any]], interest: str, person: PersonName, *, prefer_books: bool
) -> Material:
    """The material of one e-mail. Content that says that nothing was found gives none.

    `prefer_books` puts facts about books before the others that fit, for a letter about books.
    """
    lines = [] if content.strip() == _NOTHING_FOUND else list(_content_lines(content[:_MAX_CONTENT]))
    plain = [sentence for line in lines if not _WORK.fullmatch(line) for sentence in sentences(line)]
    told = [sentence for sentence in dict.fromkeys(plain) if speaks_of(sentence, person.bare)]
    works = [*_arxiv_works(papers), *_listed_works(lines)]
    measure = Interest(interest, [*told, *(work.title for work in works)])
    facts = [Fact(sentence, retold(sentence, person), measure.fit(sentence)) for sentence in told]
    works = [replace(work, fit=measure.fit(work.title)) for work in works]
    facts.sort(key=lambda fact: _rank(fact, prefer_books=prefer_books))
    return Material(tuple(facts), tuple(sorted(works, key=lambda work: -work.fit)))


def _rank(fact: Fact, *, prefer_books: bool) -> tuple[bool, bool, bool, bool, float]:
    """Facts that fit first; those that can be told before those that must be quoted; deeds before what somebody is."""
    is_aside = prefer_books and _ABOUT_BOOKS.search(fact.sentence) is None
    is_state = fact.clause is not None and fact.clause.startswith("you are ")
    return fact.fit <= 0, fact.clause is None, is_aside, is_state, -fact.fit


def _content_lines(content: str) -> Iterator[str]:
    """The lines below BACKGROUND and RECENT PUBLICATIONS & WORKS, without bullets; those of SOURCES are addresses."""
    in_sources = False
    for line in content.splitlines():
        section = _SECTION.fullmatch(line.strip())
        if section:
            in_sources = section["title"] == "SOURCES"
        text = section["rest"] if section else _BULLET.sub("", line, count=1).strip()
        if text and not in_sources:
            yield text


def _arxiv_works(papers: Sequence[Mapping[str, Any]]) -> Iterator[Work]:
    for paper in papers:
        title, year = " ".join(str(paper.get("title", "")).split()), paper.get("year")
        if isinstance(year, int) and (entry := _WORK.fullmatch(listed_work(f"“{title}” ({year}), paper") or "")):
            yield Work(entry["title"], year, "paper", 0.0, on_arxiv=True)


def _listed_works(lines: Sequence[str]) -> Iterator[Work]:
    for line in lines:
        entry = _WORK.fullmatch(line)
        if entry and listed_work(line):
            yield Work(entry["title"], int(entry["year"]), entry["kind"] or "", 0.0, on_arxiv=False)
