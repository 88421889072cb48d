"""The embedded analysis of a page, from its bytes to all that the steps would store, without a run around it."""

from __future__ import annotations

from typing import Any

from jobline_worker.pipelines.content.analysis.embedded import audiences, pitches, portrait
from jobline_worker.pipelines.content.analysis.material import Material, page_material
from jobline_worker.pipelines.content.page.ctas import find_ctas
from jobline_worker.pipelines.content.page.extract import extract_facts

__all__ = ["analysed", "material_of"]

_URL = "https://www.pages.example/"


def material_of(source: bytes | str, url: str = _URL, content_type: str = "text/html; charset=utf-8") -> Material:
    """What the analysis is given of a page."""
    body = source.encode() if isinstance(source, str) else source
    facts = extract_facts(body, content_type, url)
    return page_material(facts, find_ctas(facts))


def analysed(material: Material) -> dict[str, Any]:
    """`analysis`, `scenarios` and `pitches` as JSON values."""
    found = audiences(material).scenarios
    return {
        "analysis": portrait(material).model_dump(mode="json"),
        "scenarios": [scenario.model_dump(mode="json") for scenario in found],
        "pitches": pitches(material, found),
    }
