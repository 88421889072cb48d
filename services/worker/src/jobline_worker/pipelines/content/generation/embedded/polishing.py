"""What stands around a finished text: subtitle, description, tags, keywords, pictures that would help."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jobline_worker.pipelines.content.generation.brief import Brief
from jobline_worker.pipelines.content.generation.embedded.topic import upper_first
from jobline_worker.pipelines.content.generation.embedded.wording import audience_phrase
from jobline_worker.pipelines.content.generation.embedded.writer import Plan
from jobline_worker.pipelines.content.generation.plain_text import plain

__all__ = ["polished", "subtitle_of"]

_KINDS = {"howto": "how-to", "list": "checklist", "cost": "costs", "compare": "comparison", "choose": "buying guide"}
_MOST_TAGS, _MOST_KEYWORDS, _MOST_NOTES = 6, 8, 8
_LONGEST_DESCRIPTION = 160


def polished(brief: Brief, plan: Plan, content: str) -> dict[str, Any]:
    """The fields of a Post."""
    return {
        "title": brief.title,
        "subtitle": subtitle_of(brief, plan),
        "metaDescription": _description(brief, plan),
        "content": content,
        "tags": _unique(
            [plan.topic.keyword, brief.business_type, _KINDS.get(plan.topic.form, "guide"), *brief.keywords], _MOST_TAGS
        ),
        "seoKeywords": keywords_of(brief, plan),
        "visualContentSuggestions": list(_visuals(brief, plan)) if brief.include_visuals else [],
        "notes": [note[:300] for note in plan.notes[:_MOST_NOTES]],
    }


def subtitle_of(brief: Brief, plan: Plan) -> str:
    """What the post promises, and to whom."""
    audience = audience_phrase(brief)
    return plain(upper_first(plan.promise) + (f": for {audience}" if audience else ""), 300)


def keywords_of(brief: Brief, plan: Plan) -> list[str]:
    """The one that the post is to be found by, the caller's, and the subject where it is short."""
    subject = [plan.topic.subject] if len(plan.topic.subject.split()) <= 6 and "“" not in plan.topic.subject else []
    return _unique([plan.topic.keyword, *brief.keywords, *subject, brief.business_type], _MOST_KEYWORDS)


def _description(brief: Brief, plan: Plan) -> str:
    """50 to 160 characters: the keyword, who it is for as far as there is room, and what the post promises."""
    keyword = plain(upper_first(plan.topic.keyword), 60)
    audience = audience_phrase(brief)
    says_it_already = keyword.casefold() in audience.casefold()
    whole = f"{keyword} for {audience}" if audience and not says_it_already else keyword
    for text in (
        f"{whole}: {plan.promise}.",
        f"{keyword}: {plan.promise}.",
        f"{keyword}: {plan.promise}",
    ):
        if len(text) <= _LONGEST_DESCRIPTION:
            break
    return plain(text, _LONGEST_DESCRIPTION) if len(text) >= 50 else f"{text[:-1]}, in plain words and without detours."


def _visuals(brief: Brief, plan: Plan) -> Iterator[dict[str, str]]:
    audience = audience_phrase(brief)
    days = f"from the days of {audience} " if audience else ""
    hero = f"A scene {days}that shows what {plan.topic.keyword} is about"
    yield {"type": "hero", "description": plain(hero, 300), "placement": "top"}
    longest = max(plan.sections, key=lambda part: len(part.points), default=None)
    if longest and len(longest.points) >= 3:
        steps = plain("A diagram with " + ", ".join(longest.points), 300)
        yield {"type": "diagram", "description": steps, "placement": plain(f"below “{longest.heading}”", 200)}


def _unique(texts: list[str], most: int) -> list[str]:
    return list({text.casefold(): text for text in texts if text}.values())[:most]
