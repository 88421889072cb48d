"""Which kind of business a page belongs to: by its JSON-LD types and by the words that such pages use.

A JSON-LD type counts as much as six words. Each word of a kind's vocabulary counts once, twice in the title, the
description or a heading. A kind needs four points and is otherwise not named, because a wrong kind misleads every later
step. English and German words are known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobline_worker.pipelines.content.analysis.embedded.data import table
from jobline_worker.pipelines.content.analysis.material import Material

__all__ = ["Idea", "Kind", "ideas_for_people", "kind_of"]

_POINTS_OF_A_TYPE, _POINTS_NEEDED = 6, 4


@dataclass(frozen=True)
class Idea:
    """A pattern for the title of an article, and what its readers search for: to know, to compare, or to act."""

    title: str
    intent: str


@dataclass(frozen=True)
class Kind:
    """A kind of business, and the fixed wording for it; kinds.toml says what the words stand for."""

    name: str
    label: str
    types: frozenset[str]
    precise: frozenset[str]
    models: tuple[str, ...]
    words: re.Pattern[str]
    seekers: str
    need: str
    of: str
    step: str
    ideas: tuple[Idea, ...]


def _kind(entry: Mapping[str, Any]) -> Kind:
    words = "|".join(entry["words"])
    lists = {
        "types": frozenset(entry["types"] + entry["precise"]),
        "precise": frozenset(entry["precise"]),
        "models": tuple(entry["models"]),
        "words": re.compile(rf"\b(?:{words})\b", re.IGNORECASE),
        "ideas": _ideas(entry),
    }
    return Kind(**{**entry, **lists})


def _ideas(entry: Mapping[str, Any]) -> tuple[Idea, ...]:
    return tuple(Idea(**idea) for idea in entry["ideas"])


_KINDS = tuple(_kind(entry) for entry in table("kinds")["kinds"])
_UNKNOWN = _kind(table("kinds")["unknown"])


def ideas_for_people() -> tuple[Idea, ...]:
    """Patterns whose topic is a group of people."""
    return _ideas(table("kinds")["people"])


def kind_of(material: Material) -> tuple[Kind, str]:
    """The kind with the most points, else a neutral one, and the label for the business type.

    A JSON-LD type whose own name says more than the kind's label is spelt out instead.
    """
    points = {kind: _points(kind, material) for kind in _KINDS}
    best = max(points, key=points.__getitem__)
    if points[best] < _POINTS_NEEDED:
        return _UNKNOWN, _UNKNOWN.label
    return best, next((_spelt_out(name) for name in material.types if name in best.precise), best.label)


def _points(kind: Kind, material: Material) -> int:
    typed = _POINTS_OF_A_TYPE if kind.types & set(material.types) else 0
    headings = " \n ".join([material.title, material.description, *(section.heading for section in material.sections)])
    return typed + len(_said(kind, " \n ".join(material.texts()))) + len(_said(kind, headings))


def _said(kind: Kind, text: str) -> frozenset[str]:
    return frozenset(match.casefold() for match in kind.words.findall(text))


def _spelt_out(name: str) -> str:
    """`MedicalClinic` as "Medical clinic"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()
