"""A world for one run of the website analysis: a website, a language model and an image server that the test scripts.

    async with analysis_world(audiences=always(status(503))) as world:
        outcome = await world.run()
        assert len(world.asked("content_audiences")) == 3

Without a script the model answers well, about whatever page there is. `embedded_world` has no model at all.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image as Pixels

from jobline.worker.testing import LocalOutcome, local_run
from jobline_worker.pipelines.content import EMBEDDED_TASKS, AnalyzeWebsite
from jobline_worker.providers.http import provider_client
from jobline_worker.providers.images.embedded import EmbeddedImageMaker
from jobline_worker.providers.images.openai import OpenAiImageMaker
from jobline_worker.providers.llm.embedded import EmbeddedLanguageModel
from jobline_worker.providers.llm.openai import OpenAiLanguageModel
from jobline_worker.providers.pages.addresses import AllowList
from jobline_worker.providers.pages.fetcher import FetchLimits, SafePageFetcher
from support.provider_servers import Handler, Reply, Request, TestServer, always, json_reply, serve, status
from support.saved_pages import page_by_path

__all__ = [
    "PORTRAIT",
    "STEPS",
    "AnalysisWorld",
    "analysis_world",
    "answered",
    "embedded_world",
    "painted",
    "pitches",
    "portrait",
    "scenario",
    "scenarios",
]

STEPS = ("analyze_website", "generate_audiences", "generate_pitches", "generate_images")

PORTRAIT = {
    "businessType": "Clinic",
    "businessName": "Pellbrook",
    "decisionMakers": "Patients",
    "endUsers": "Patients and athletes",
    "targetAudience": "People in pain",
    "contentFocus": "Physiotherapy",
    "brandVoice": "plain",
    "description": "A clinic for backs and joints.",
    "businessModel": "fees",
    "websiteGoals": "Appointments",
    "blogStrategy": "Answer questions",
    "searchBehavior": "Symptoms first",
    "connectionMessage": "You are seen within three days.",
}


def answered(value: Any, tokens: int = 100) -> Reply:
    """A chat completion with a JSON answer, or with a text as it is."""
    content = value if isinstance(value, str) else json.dumps(value)
    return json_reply(
        {"choices": [{"message": {"role": "assistant", "content": content}}], "usage": {"total_tokens": tokens}}
    )


def portrait(**changes: Any) -> Reply:
    return answered({**PORTRAIT, **changes})


def scenario(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "customerProblem": f"Trouble number {number}",
        "targetSegment": {"demographics": "Adults", "psychographics": "Impatient", "searchBehavior": "At night"},
        "businessValue": {
            "searchVolume": "medium",
            "competition": "low",
            "conversionPotential": "high",
            "priority": number,
        },
        "customerLanguage": ["It hurts"],
        "seoKeywords": ["back pain"],
        "conversionPath": "Article, then appointment",
        "contentIdeas": [{"title": f"Idea {number}", "searchIntent": "informational", "businessAlignment": "It fits"}],
        **changes,
    }


def scenarios(count: int = 4, **changes: Any) -> Reply:
    return answered({"scenarios": [scenario(number, **changes) for number in range(1, count + 1)]})


def pitches(count: int = 4) -> Reply:
    return answered({"pitches": [f"Pitch number {number}." for number in range(1, count + 1)]})


@dataclass
class AnalysisWorld:
    website: TestServer
    llm: TestServer
    painter: TestServer
    pipeline: AnalyzeWebsite

    async def run(
        self,
        path: str = "/clinic",
        *,
        finished: Mapping[str, Any] | None = None,
        cancel_after: str = "",
        url: str | None = None,
    ) -> LocalOutcome:
        payload = {"url": f"{self.website.url}{path}" if url is None else url}
        return await local_run(self.pipeline, payload, finished=finished, cancel_after=cancel_after)

    def asked(self, task: str) -> list[Request]:
        """The model's requests for `content_analyze`, `content_audiences` or `content_pitches`."""
        return [request for request in self.llm.requests if _task(request) == task]


def _task(request: Request) -> str:
    return str(request.json()["response_format"]["json_schema"]["name"])


def painted() -> Reply:
    """What an image server answers."""
    buffer = BytesIO()
    Pixels.new("RGB", (64, 64), "teal").save(buffer, "PNG")
    return json_reply({"data": [{"b64_json": base64.b64encode(buffer.getvalue()).decode()}]})


@asynccontextmanager
async def analysis_world(
    *,
    website: Handler = page_by_path,
    analyze: Handler | None = None,
    audiences: Handler | None = None,
    pitched: Handler | None = None,
    images: Handler | None = None,
    seconds: float = 10.0,
) -> AsyncIterator[AnalysisWorld]:
    """`seconds` is the time limit of every call. Pictures are drawn, unless `images` answers for an image server."""
    answers = {
        "content_analyze": analyze or always(portrait()),
        "content_audiences": audiences or always(scenarios()),
        "content_pitches": pitched or always(pitches()),
    }
    async with AsyncExitStack() as stack:
        pages = await stack.enter_async_context(serve(website))
        llm = await stack.enter_async_context(serve(lambda request: answers[_task(request)](request)))
        painter = await stack.enter_async_context(serve(images or always(status(500))))
        client = await stack.enter_async_context(provider_client())
        model = OpenAiLanguageModel(client, llm.url, "scripted", timeout=seconds)
        maker = OpenAiImageMaker(client, client, painter.url, timeout=seconds) if images else EmbeddedImageMaker()
        pipeline = AnalyzeWebsite(model, _fetcher(seconds), maker, seconds)
        yield AnalysisWorld(pages, llm, painter, pipeline)


@asynccontextmanager
async def embedded_world(*, website: Handler = page_by_path, seconds: float = 10.0) -> AsyncIterator[AnalysisWorld]:
    """Nothing but the website: the analysis without a model, and drawn pictures."""
    refusing = always(status(500))
    async with serve(website) as pages, serve(refusing) as llm, serve(refusing) as painter:
        model = EmbeddedLanguageModel(EMBEDDED_TASKS)
        pipeline = AnalyzeWebsite(model, _fetcher(seconds), EmbeddedImageMaker(), seconds)
        yield AnalysisWorld(pages, llm, painter, pipeline)


def _fetcher(seconds: float) -> SafePageFetcher:
    return SafePageFetcher(AllowList.parse("127.0.0.1"), FetchLimits(seconds=seconds, plain_text=False))
