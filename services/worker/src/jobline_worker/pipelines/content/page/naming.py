"""What the site is called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jobline_worker.pipelines.content.page.addresses import host_of
from jobline_worker.pipelines.content.page.text import clean

__all__ = ["site_name"]

MAX_NAME = 80
#: JSON-LD types that name whoever runs the site, as the ends of their names (LocalBusiness, MedicalOrganization …).
_ORGANIZATIONS = (
    "organization", "organisation", "business", "corporation", "store", "shop", "restaurant", "clinic", "dentist",
    "physician", "attorney", "legalservice", "ngo", "hotel", "bakery", "cafe", "cafeorcoffeeshop", "brand",
    "school", "service",
)  # fmt: skip
_SITES = ("website", "blog", "webapplication", "softwareapplication")
_PEOPLE = ("person",)
_SEPARATORS = re.compile(r"\s+[|–—·•»«›:/-]\s+|:\s+|\s[|·•]|[|·•]\s")
_NOT_NAMES = re.compile(
    r"(?:home\s?page|home|start(?:seite)?|welcome|willkommen|index|untitled.*|official (?:web)?site|main|about(?: us)?|"
    r"über uns|contact|kontakt|blog|shop|news|docs|documentation|dokumentation|jobs|careers)",
    re.I,
)
_GREETING = re.compile(r"(?:welcome to|willkommen (?:bei|beim|in))\s+", re.I)


def site_name(title: str, known: Mapping[str, str], structured: Sequence[Mapping[str, Any]], url: str) -> str:
    """Never empty; see PageFacts. `known` are the page's meta tags."""
    host = host_of(url)
    candidates = (
        _named_by(structured, _ORGANIZATIONS),
        known.get("og:site_name", ""),
        _named_by(structured, _SITES),
        known.get("application-name", ""),
        _part_of_title(title, host),
        _named_by(structured, _PEOPLE),
        host,
    )
    return next((name for name in (clean(each, MAX_NAME) for each in candidates) if name), "") or "website"


def _named_by(structured: Sequence[Mapping[str, Any]], types: Sequence[str]) -> str:
    for item in structured:
        name = item.get("name")
        if isinstance(name, str) and name.strip() and any(kind.endswith(tuple(types)) for kind in _types(item)):
            return name
    return ""


def _types(item: Mapping[str, Any]) -> Iterator[str]:
    kinds = item.get("@type")
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if isinstance(kind, str):
            yield kind.lower().rpartition("/")[2]


def _part_of_title(title: str, host: str) -> str:
    """The part that is spelled in the host name; else the shortest that is no greeting, when there are several."""
    parts = [_GREETING.sub("", part).strip() for part in _SEPARATORS.split(title)]
    parts = [part for part in parts if part and not _NOT_NAMES.fullmatch(part)]
    spelled = [part for part in parts if _is_spelled_in(part, host)]
    if spelled:
        return spelled[0]
    short = [part for part in parts if len(part.split()) <= 5]
    return min(short, key=lambda part: len(part.split()), default="")


def _is_spelled_in(part: str, host: str) -> bool:
    letters, label = (re.sub(r"[^a-z0-9]", "", text.lower()) for text in (part, host.rpartition(".")[0]))
    return len(letters) >= 3 and (letters in label or (len(label) >= 4 and label in letters and len(letters) < 40))
