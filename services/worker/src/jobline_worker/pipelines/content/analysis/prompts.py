"""What a language model is asked in the three steps.

The page is a stranger's text and goes into the prompt as marked data (`data_blocks`); the answer is checked against a
schema in which only links of the page may stand (fault catalogue, F34). The embedded model gets the same as `inputs`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from jobline_worker.pipelines.content.analysis.material import Material
from jobline_worker.pipelines.content.analysis.schemas import Portrait, Scenario
from jobline_worker.providers.llm import Completion
from jobline_worker.providers.llm.data_blocks import DATA_RULE, data_blocks

__all__ = ["ANALYZE_TASK", "AUDIENCES_TASK", "PITCHES_TASK", "analyze_request", "audiences_request", "pitches_request"]

ANALYZE_TASK, AUDIENCES_TASK, PITCHES_TASK = "content.analyze", "content.audiences", "content.pitches"

#: Characters of the page's text in a prompt: about 4000 tokens, which small local models can take.
MAX_PAGE = 16_000

_RULES = (
    "State nothing that the data does not support; where it is silent, say that the page does not tell. Write no links. "
    f"Answer with one JSON object. {DATA_RULE}"
)

_ANALYZE = (
    "You analyse a business by its website, for people who will write for it. Say in plain, short sentences: businessType "
    "(one to three words), businessName, decisionMakers (who pays or decides), endUsers, targetAudience, contentFocus, "
    "brandVoice, description (two sentences), businessModel, websiteGoals, blogStrategy, searchBehavior (what its audience "
    "searches for) and connectionMessage (one sentence that would win this audience). " + _RULES
)
_AUDIENCES = (
    'You find the audiences of a business. Answer with {"scenarios": [...]}: four or five audiences that differ clearly in '
    "their problem, each tied to something the website offers. customerProblem is one or two sentences about what troubles "
    "them. targetSegment has demographics, psychographics and searchBehavior. businessValue has searchVolume, competition "
    "and conversionPotential, each low, medium or high, and priority, from 1 for the best. customerLanguage is two to five "
    "phrases as these people would say them, seoKeywords three to eight search terms. conversionPath leads from their "
    "problem to one of the page's calls to action. contentIdeas are two or three articles with title, searchIntent "
    "(informational, commercial or transactional) and businessAlignment. " + _RULES
)
_PITCHES = (
    'You write pitches. Answer with {"pitches": ["…", …]}: exactly one for each audience in the data, in the same order. A '
    "pitch has two to four sentences: the audience's problem, what this business does about it, and one of its calls to "
    "action. Write in the brand voice. " + _RULES
)


def analyze_request(page: Material) -> Completion:
    """Asks for a Portrait."""
    return Completion(
        task=ANALYZE_TASK,
        system=_ANALYZE,
        prompt=data_blocks(page=_page_text(page)),
        inputs={"page": page},
        temperature=0.2,
        max_tokens=1500,
    )


def audiences_request(page: Material, portrait: Portrait) -> Completion:
    """Asks for Audiences."""
    return Completion(
        task=AUDIENCES_TASK,
        system=_AUDIENCES,
        prompt=data_blocks(analysis=_json(portrait.model_dump()), page=_page_text(page)),
        inputs={"page": page},
        temperature=0.6,
        max_tokens=4096,
    )


def pitches_request(page: Material, portrait: Portrait, scenarios: Sequence[Scenario]) -> Completion:
    """Asks for Pitches."""
    audiences = [
        {
            "problem": scenario.customerProblem,
            "people": scenario.targetSegment.demographics,
            "path": scenario.conversionPath,
        }
        for scenario in scenarios
    ]
    return Completion(
        task=PITCHES_TASK,
        system=_PITCHES,
        prompt=data_blocks(
            analysis=_json(portrait.model_dump()),
            calls_to_action=_json([action.text for action in page.actions[:10]]),
            audiences=_json(audiences),
        ),
        inputs={"page": page, "scenarios": scenarios},
        temperature=0.7,
        max_tokens=2048,
    )


def _page_text(page: Material) -> str:
    return "\n".join(_lines(page))[:MAX_PAGE]


def _lines(page: Material) -> Iterator[str]:
    yield f"Address: {page.url}"
    yield f"Title: {page.title}"
    yield f"Name: {page.site_name}"
    yield f"Description: {page.description}"
    yield f"Language: {page.language or 'unknown'}"
    yield f"Types: {', '.join(page.types)}"
    yield f"Calls to action: {'; '.join(action.text for action in page.actions[:10])}"
    for section in page.sections:
        yield f"{'#' * max(section.level, 1)} {section.heading}"
        yield from section.texts


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
