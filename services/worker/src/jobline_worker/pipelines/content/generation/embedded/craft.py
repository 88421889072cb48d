"""What the writer knows: the craft of going about things, and the fields. Read once, from the files beside it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jobline_worker.pipelines.content.generation.brief import Brief
from jobline_worker.providers.passages import word_stems

__all__ = ["Advice", "Field", "advice", "any_field", "field_of", "sentences_for"]

#: A label and what there is to say about it.
Advice = tuple[str, str]

_INSIDERS = frozenset(
    word_stems("manager owner director operator chef staff team practice doctor head founder professional")
)
_FEWEST_POINTS = 2


@dataclass(frozen=True)
class Field:
    """What to prepare, to look for and to ask when one looks for `help` in a field, and why its matters deserve care."""

    help: str
    prepare: Sequence[str]
    reasons: Sequence[Advice]
    criteria: Sequence[Advice]
    questions: Sequence[Advice]


def advice(part: str) -> Sequence[Advice]:
    """Items of the craft: `steps`, `reducing`, `improving`, `making`, `mistakes`, `cost`, …"""
    return _items(_read("craft.toml")[part]["items"])


def sentences_for(part: str) -> Sequence[str]:
    """Ways to say the same: `opening` or `closing`."""
    return list(_read("craft.toml")[part]["ways"])


def field_of(brief: Brief) -> Field | None:
    """The field of the business, if its advice fits the topic: the title has one of its words, or the topic came with words
    of the business.

    A word in the business's type counts three times one in its description. A field for private people has nothing to say
    to those who work in it (managers of a practice, owners of a restaurant).
    """
    kind, said = word_stems(brief.business_type), word_stems(brief.description)
    points = {name: 3 * len(words & set(kind)) + len(words & set(said)) for name, words in _field_words().items()}
    best = max(points, key=lambda name: points[name])
    data = _read("fields.toml")[best]
    is_inside = data.get("private", False) and _INSIDERS & set(word_stems(brief.audience))
    if (
        points[best] < _FEWEST_POINTS
        or is_inside
        or not (brief.phrases or _field_words()[best] & set(word_stems(brief.title)))
    ):
        return None
    return _field(best)


def any_field() -> Field:
    """What holds for help of any kind."""
    return _field("general")


def _field(name: str) -> Field:
    data = _read("fields.toml")[name]
    lists = (_items(data[part]) for part in ("reasons", "criteria", "questions"))
    return Field(data["help"], data["prepare"], *lists)


def _items(items: Sequence[Sequence[str]]) -> Sequence[Advice]:
    return [(label, text) for label, text in items]


@lru_cache(maxsize=1)
def _field_words() -> Mapping[str, frozenset[str]]:
    """The stems of each field's words."""
    fields = _read("fields.toml")
    return {name: frozenset(word_stems(" ".join(data["words"]))) for name, data in fields.items()}


@lru_cache(maxsize=2)
def _read(name: str) -> Mapping[str, Any]:
    return tomllib.loads((files(__package__) / name).read_text(encoding="utf-8"))
