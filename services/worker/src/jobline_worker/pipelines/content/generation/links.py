"""Internal links and calls to action: always the organization's own, as its page has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jobline_worker.pipelines.content.generation.brief import Brief
from jobline_worker.pipelines.content.generation.markdown_text import read_markdown

__all__ = ["cta_suggestions", "internal_links"]

_MOST_LINKS, _MOST_CALLS = 6, 3
_PLACEMENTS = ("end", "middle", "top")
#: A goal that is a call to action by itself has at most so many words.
_SHORT_GOAL = 5


def internal_links(content: str, brief: Brief) -> list[dict[str, str]]:
    """Links of the text first, each with its section, then pages of the site that could be linked."""
    paths = {link.url: link.path for link in brief.links if link.url}
    found: dict[str, dict[str, str]] = {}
    for link in read_markdown(content).links:
        url = paths.get(link.url, link.url)
        found.setdefault(url, _link(link.text, url, f"In the text, below “{link.section}”"))
    for known in brief.links:
        if known.url:
            found.setdefault(
                known.path, _link(known.text, known.path, "A page of your own that the text could link to")
            )
    return list(found.values())[:_MOST_LINKS]


def cta_suggestions(brief: Brief) -> list[dict[str, str]]:
    """The best calls to action of the page; without any, a goal that reads like one."""
    return [dict(zip(("text", "placement", "type", "context"), call, strict=True)) for call in _calls(brief)]


def _calls(brief: Brief) -> Iterator[tuple[str, str, str, str]]:
    if not brief.links and brief.goals and len(brief.goals.split()) <= _SHORT_GOAL:
        yield brief.goals, "end", "cta_element", "From the goals that you named"
    for link, placement in zip(brief.links[:_MOST_CALLS], _PLACEMENTS, strict=False):
        yield (
            link.text,
            placement,
            link.type,
            f"From your own page: {link.path or 'a button or form without an address'}",
        )


def _link(text: str, url: str, context: str) -> dict[str, Any]:
    return {"anchorText": text, "suggestedUrl": url, "context": context}
