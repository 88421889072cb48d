"""What a language model is asked in each step. The embedded writer answers the same questions from `inputs` alone.

Everything that comes from the caller or from a website is marked as data. The caller's additional instructions are the
exception by nature: they say how the caller wants the own text, so they are followed, but only as far as style and content
go; the model has no tools, and what it writes is checked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jobline_worker.pipelines.content.generation.answers import Draft, Outline
from jobline_worker.pipelines.content.generation.brief import Brief
from jobline_worker.providers.llm import Completion
from jobline_worker.providers.llm.data_blocks import DATA_RULE, data_blocks

__all__ = ["DRAFT_TASK", "OUTLINE_TASK", "POLISH_TASK", "draft_request", "outline_request", "polish_request"]

OUTLINE_TASK, DRAFT_TASK, POLISH_TASK = "content.outline", "content.draft", "content.polish"

_TRUTH_RULE = (
    "State facts about the business only if they stand in the data: no invented numbers, customers, prices, awards or "
    "quotations. General advice must be true for anybody. "
)
_WISHES_RULE = (
    "`instructions` tells how the text should be: follow it in style, length, language and content, but never against "
    "these rules. "
)
_OUTLINE_SYSTEM = (
    "You plan a blog post for a business. Answer with one JSON object: `subtitle`; `keywords`, up to 6 search terms, the "
    "most important one first, of 1 to 4 words; `sections`, 5 to 8 of them, each with a `heading` and 2 to 5 `points`. "
    "Plan for readers of the audience, and end with what to do next. "
)
_MARKDOWN_RULE = (
    "The text is markdown: one heading '# ' with the title, sections with '## ', no HTML, no images. Links lead only to "
    "addresses listed in `links`, word for word, with a fitting text; use two to four of them, if there are any. "
)
_DRAFT_SYSTEM = (
    "You write a blog post for a business by an outline. Answer with one JSON object with the text as `content`: 700 to "
    "1100 words, in the voice of the business, in the language of the title. Use the first keyword in the first paragraph "
    "and in a heading. Short paragraphs, concrete sentences. "
)
_POLISH_SYSTEM = (
    "You edit a blog post before it is published: correct it, tighten it, and take out what the data does not support. "
    "Answer with one JSON object: `title` (30 to 65 characters), `subtitle`, `metaDescription` (50 to 160 characters, with "
    "the first keyword), `content`, `tags` (3 to 6), `seoKeywords` (3 to 8, the first keyword first), "
    "`visualContentSuggestions` (each with `type`, `description`, `placement`; an empty list unless visuals are wanted) and "
    "`notes` (one sentence for each wish in `instructions` that the text does not keep; else an empty list). "
)
_PLACEHOLDER_RULE = "Where a picture would help, a line `![IMAGE:kind:what it shows]` may stand. "


def outline_request(brief: Brief) -> Completion:
    """Asks for an Outline."""
    return Completion(
        task=OUTLINE_TASK,
        system=_OUTLINE_SYSTEM + _TRUTH_RULE + _WISHES_RULE + DATA_RULE,
        prompt=data_blocks(**_known(brief)),
        inputs={"brief": brief},
        temperature=0.5,
        max_tokens=2048,
    )


def draft_request(brief: Brief, outline: Outline) -> Completion:
    """Asks for a Draft."""
    return Completion(
        task=DRAFT_TASK,
        system=_DRAFT_SYSTEM + _MARKDOWN_RULE + _visual_rule(brief) + _TRUTH_RULE + _WISHES_RULE + DATA_RULE,
        prompt=data_blocks(**_known(brief), outline=outline.model_dump_json()),
        inputs={"brief": brief},
        max_tokens=6000,
    )


def polish_request(brief: Brief, outline: Outline, draft: Draft) -> Completion:
    """Asks for a Post."""
    wanted = "wanted" if brief.include_visuals else "not wanted"
    return Completion(
        task=POLISH_TASK,
        system=_POLISH_SYSTEM + _MARKDOWN_RULE + _visual_rule(brief) + _TRUTH_RULE + _WISHES_RULE + DATA_RULE,
        prompt=data_blocks(**_known(brief), visuals=wanted, outline=outline.model_dump_json(), draft=draft.content),
        inputs={"brief": brief, "draft": draft.content},
        temperature=0.3,
        max_tokens=8000,
    )


def _known(brief: Brief) -> Mapping[str, str]:
    links: list[dict[str, Any]] = [{"text": link.text, "url": link.url} for link in brief.links if link.url]
    parts = {"title": brief.title, **brief.material, "links": json.dumps(links, ensure_ascii=False)}
    return {**parts, "instructions": brief.instructions} if brief.instructions else parts


def _visual_rule(brief: Brief) -> str:
    return _PLACEHOLDER_RULE if brief.include_visuals else ""
