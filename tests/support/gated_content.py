"""The world outside of the jobs API's pipelines, in the manner of gated_providers: a website, a language model, a painter.

A call is known by what it is for: `page`, `image`, or the model's task (`content_analyze` …); its text is the path of the
page, or the whole prompt, which names the page's address or the topic. So a test holds one job in one step by something
that only this job's calls have in them.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
from collections.abc import Iterator
from typing import Any

from PIL import Image

from support.analysis_world import PORTRAIT, scenario
from support.gated_providers import Call, GatedHandler, GatedProviders, said, served
from support.saved_pages import SAVED_PAGES

__all__ = ["ANALYSIS_CALLS", "GENERATION_CALLS", "GatedContent", "gated_content"]

#: What the pipelines call, in order.
ANALYSIS_CALLS = ("page", "content_analyze", "content_audiences", "content_pitches", "image")
GENERATION_CALLS = ("content_outline", "content_draft", "content_polish")

_SCENARIOS = 4
_WORDS = "Write down who works when, and look at it every morning before the first patient comes. " * 4
_TEXT = f"# Plan the week\n\n{_WORDS}\n\n## Why a plan\n\n{_WORDS}\n\n## What to do next\n\n{_WORDS}"
_ANSWERS: dict[str, dict[str, Any]] = {
    "content_analyze": PORTRAIT,
    "content_audiences": {"scenarios": [scenario(number) for number in range(1, _SCENARIOS + 1)]},
    "content_pitches": {"pitches": [f"Pitch number {number}." for number in range(1, _SCENARIOS + 1)]},
    "content_outline": {
        "subtitle": "In five minutes a day",
        "keywords": ["plan the week"],
        "sections": [{"heading": text, "points": ["One", "Two"]} for text in ("Why a plan", "What to do next")],
    },
    "content_draft": {"content": _TEXT},
    "content_polish": {
        "title": "Plan the week",
        "subtitle": "In five minutes a day",
        "metaDescription": "How to plan the week in five minutes a day, and why it is worth it for small teams.",
        "content": _TEXT,
        "tags": ["planning", "teams"],
        "seoKeywords": ["plan the week", "small teams"],
        "visualContentSuggestions": [{"type": "hero", "description": "A full calendar", "placement": "top"}],
        "notes": [],
    },
}


class GatedContent(GatedProviders):
    """The calls of the two pipelines, which of them wait, and what they are answered."""

    @property
    def page_settings(self) -> dict[str, str]:
        """The settings that let a worker read the pages here, and nothing else."""
        return {"JOBLINE_ALLOW_PRIVATE_URLS": "127.0.0.1"}

    @property
    def settings(self) -> dict[str, str]:
        return {
            "JOBLINE_LLM_URL": f"{self.url}/llm",
            "JOBLINE_IMAGES_URL": f"{self.url}/painter",
            **self.page_settings,
        }

    def page(self, name: str, for_whom: str = "") -> str:
        """The address of a saved page; `for_whom` makes it one that no other test asks for."""
        return f"{self.url}/{name}/{for_whom}" if for_whom else f"{self.url}/{name}"


class _ContentWorld(GatedHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "messages" in asked:
            task = asked["response_format"]["json_schema"]["name"]
            self.provider(task, asked["messages"][-1]["content"], said(_ANSWERS[task]))
        else:
            self.provider("image", asked["prompt"], json.dumps({"data": [{"b64_json": _PICTURE}]}))

    def do_GET(self) -> None:
        page = SAVED_PAGES.get(self.path.split("/")[1])
        if page is None:
            self.send(404, "text/plain", b"Not found")
        elif self.server.providers.handle(Call("page", self.path)) == 200:
            self.send(200, page.content_type, page.body)


def _picture() -> str:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "#1a56db").save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


_PICTURE = _picture()


@contextlib.contextmanager
def gated_content() -> Iterator[GatedContent]:
    """The server on a free port of 127.0.0.1; nothing is held, everything is answered well."""
    providers = GatedContent()
    with served(providers, _ContentWorld):
        yield providers
