"""Composes one e-mail from a template and what was found, without a model and without network.

The template is the letter: its sentences stay in their order and their words. Placeholders are filled, what cannot be
filled is taken out, and a few sentences with facts from the sources are added where the letter speaks of the
recipient's work. Nothing else is said, so nothing can be invented; the same inputs always give the same letter.

All steps but the last work on marked text (see `placeholders`), so where something goes is decided before any untrusted
value is in the text. The last step fills the marks in one pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jobline_worker.pipelines.email.embedded.filling import Values, filled, with_works_settled
from jobline_worker.pipelines.email.embedded.letter import address_by_name, language
from jobline_worker.pipelines.email.embedded.material import Material, read_material
from jobline_worker.pipelines.email.embedded.naming import with_names_settled
from jobline_worker.pipelines.email.embedded.phrases import interest_phrase, safe_value
from jobline_worker.pipelines.email.embedded.placeholders import ANY_MARK, Mark, clean, marked
from jobline_worker.pipelines.email.embedded.removal import without_unknown
from jobline_worker.pipelines.email.embedded.statements import closing, statements
from jobline_worker.pipelines.email.embedded.weaving import with_closing, with_fact_sentences, with_facts
from jobline_worker.providers.person_names import PersonName, read_name

__all__ = ["ComposeAnswer", "ComposeInputs", "compose"]

_FEWEST_WORDS = 50
_LONGEST_EMAIL = 10_000
_MOST_STATEMENTS = 3
_UNFILLED = re.compile(r"\{{2,}|\}{2,}|\[(?=INSERT|YOUR)", re.IGNORECASE)


@dataclass(frozen=True)
class ComposeInputs:
    """Everything the earlier steps know; `papers` have at least `title`, `year` and `abstract`."""

    template: str
    name: str
    interest: str
    template_type: Literal["research", "book", "general"]
    placeholders: Sequence[str]
    scraped_content: str
    sources: Sequence[str]
    papers: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class ComposeAnswer:
    """The e-mail; confident only if it tells a fact from the sources and these have to do with the interest."""

    email: str
    is_confident: bool


def compose(inputs: ComposeInputs) -> ComposeAnswer:
    """Write the e-mail: at most 10 000 characters, at least 50 words where the language is known, no placeholder left."""
    name = safe_value(inputs.name)
    person = read_name(name)
    phrase = interest_phrase(inputs.interest, inputs.scraped_content[:_LONGEST_EMAIL])
    prefer_books = inputs.template_type == "book"
    material = read_material(inputs.scraped_content, inputs.papers, phrase, person, prefer_books=prefer_books)
    draft = _draft(inputs.template, name, person)
    tongue = language(re.sub(ANY_MARK, " ", draft))
    titles = _titles(material)
    draft = with_works_settled(draft, titles, tongue)
    named = frozenset(title for mark, found in titles.items() for title in found[: draft.count(mark)])
    told = statements(material, tongue, named)
    values = Values(name, person, phrase, titles, [statement.text for statement in told])
    text, used = _long_enough(draft, values, sum(statement.fits for statement in told), tongue)
    return ComposeAnswer(_finished(text, name), is_confident=used > 0 and _has_to_do(material))


def _titles(material: Material) -> dict[Mark, list[str]]:
    """The titles for each kind of placeholder: what the sources call a book only is a book."""
    of_kind = {Mark.PAPER: {"paper"}, Mark.BOOK: {"book"}, Mark.WORK: {"paper", "book", ""}}
    return {mark: [work.title for work in material.works if work.kind in kinds] for mark, kinds in of_kind.items()}


def _has_to_do(material: Material) -> bool:
    """Whether anything that was found has to do with the interest."""
    return any(fact.fit > 0 for fact in material.facts) or any(work.fit > 0 for work in material.works)


def _draft(template: str, name: str, person: PersonName) -> str:
    """The marked template, addressed to the person, without what cannot be filled."""
    text = with_fact_sentences(marked(template))
    text = address_by_name(with_names_settled(text, person), name)
    return without_unknown(text).strip()


def _long_enough(draft: str, values: Values, fitting: int, tongue: str) -> tuple[str, int]:
    """The first version of the letter that has 50 words, and how many facts it tells."""
    text, used = "", 0
    for count, level in _plans(draft, len(values.facts), fitting):
        used = count
        letter = with_closing(with_facts(draft, count), closing(tongue, level).format(Mark.INTEREST))
        text = filled(letter, values)
        if len(text.split()) >= _FEWEST_WORDS:
            break
    return text, used


def _plans(draft: str, available: int, fitting: int) -> Iterator[tuple[int, int]]:
    """Numbers of facts and levels of the closing to try; a letter that is long by itself needs no closing."""
    usual = min(available, max(1, min(2, fitting), draft.count(Mark.FACT)))
    if len(draft.split()) >= _FEWEST_WORDS - 5:
        yield usual, 0
    yield usual, 1
    if usual < min(available, _MOST_STATEMENTS):
        yield min(available, _MOST_STATEMENTS), 1
    yield min(available, max(usual, _MOST_STATEMENTS)), 2


def _finished(text: str, name: str) -> str:
    """The letter within its bounds, named, and free of anything that looks like a placeholder."""
    text = _without_unfilled(text).strip()[:_LONGEST_EMAIL].rstrip()
    if name and name.casefold() not in text.casefold() and name.split()[-1].casefold() not in text.casefold():
        text = f"Dear {name},\n\n{text}"[:_LONGEST_EMAIL].rstrip()
    return text


def _without_unfilled(text: str) -> str:
    """Taking marks of a placeholder out may join two halves of another, so it is done until none is left."""
    text = clean(text)
    while _UNFILLED.search(text):
        text = _UNFILLED.sub("", text)
    return text
