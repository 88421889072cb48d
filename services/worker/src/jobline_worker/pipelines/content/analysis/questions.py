"""The three questions, asked so that only usable answers come back. Each call gets `seconds`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobline_worker.pipelines.content.analysis.material import Material
from jobline_worker.pipelines.content.analysis.prompts import analyze_request, audiences_request, pitches_request
from jobline_worker.pipelines.content.analysis.schemas import LINK, Audiences, Pitches, Portrait, Scenario
from jobline_worker.providers.llm import LanguageModel
from jobline_worker.providers.llm.structured import ask

__all__ = ["ask_for_audiences", "ask_for_pitches", "ask_for_portrait"]


async def ask_for_portrait(llm: LanguageModel, page: Material, seconds: float) -> tuple[Portrait, int]:
    """What the page says about its business, and the tokens. Raises what `ask` raises; so do the others."""
    return await ask(llm, analyze_request(page), Portrait, seconds=seconds, context=_context(page))


async def ask_for_audiences(
    llm: LanguageModel, page: Material, portrait: Portrait, seconds: float
) -> tuple[Audiences, int]:
    return await ask(llm, audiences_request(page, portrait), Audiences, seconds=seconds, context=_context(page))


async def ask_for_pitches(
    llm: LanguageModel, page: Material, portrait: Portrait, scenarios: Sequence[Scenario], seconds: float
) -> tuple[Pitches, int]:
    """A pitch for each scenario, in their order."""
    context = {**_context(page), "count": len(scenarios)}
    return await ask(llm, pitches_request(page, portrait, scenarios), Pitches, seconds=seconds, context=context)


def _context(page: Material) -> dict[str, Any]:
    """The links that an answer may repeat: the page's own, and those that stand in its text."""
    texts = (page.url, page.site_name, *page.links, *page.texts())
    return {"links": frozenset(link.rstrip(".,;:!?/") for text in texts for link in LINK.findall(text))}
