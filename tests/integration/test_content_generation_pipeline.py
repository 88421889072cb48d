"""The pipeline of content_generation: the embedded writer and a scripted language model, with the organization over gRPC.

The language model is a real HTTP server that answers well, wrongly, late or never; the organization comes from a real gRPC
server. That the result fits what the queue service stores is shown with the service in the tests of the whole surface.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from jobline.v1 import content_service_pb2 as pb
from jobline.worker.testing import LocalOutcome, local_run
from jobline_worker.pipelines.content.content_generation import GenerateContent
from jobline_worker.pipelines.content.generation.embedded_tasks import EMBEDDED_TASKS
from jobline_worker.providers.http import provider_client
from jobline_worker.providers.llm.embedded import EmbeddedLanguageModel
from jobline_worker.providers.llm.openai import OpenAiLanguageModel
from jobline_worker.providers.organizations.queue_service import open_organizations
from support.content_briefs import ANALYSIS, CALLS, SITE, TITLE, content_payload
from support.organization_desk import OrganizationDesk, organization, organization_desk
from support.provider_servers import Handler, Reply, Request, TestServer, hang, json_reply, serve, status

KNOWN = organization(SITE, ANALYSIS, CALLS)
NOBODY = pb.GetJobOrganizationResponse()

OUTLINE = {
    "subtitle": "What counts in everyday life",
    "keywords": ["shift planning software", "rota"],
    "sections": [
        {"heading": "What to look for", "points": ["Routine", "Data"]},
        {"heading": "What to do next", "points": ["Try it"]},
    ],
}
CONTENT = (
    f"# {TITLE}\n\nGood shift planning software shows gaps. {'It is used every day. ' * 20}\n\n## What to look for\n\n"
    f"{'Look at one real week. ' * 30}\n\n## What to do next\n\n[Book a demo](https://www.plansome.example/demo)\n"
)
POST = {
    "title": TITLE,
    "subtitle": "What counts in everyday life",
    "metaDescription": "Shift planning software for small clinics: what to look for, and what to do next.",
    "content": CONTENT,
    "tags": ["planning"],
    "seoKeywords": ["shift planning software"],
    "visualContentSuggestions": [{"type": "hero", "description": "A rota on a wall", "placement": "top"}],
    "notes": [],
}
ANSWERS: Mapping[str, Any] = {"content_outline": OUTLINE, "content_draft": {"content": CONTENT}, "content_polish": POST}

DATA_KEYS = {
    "title", "subtitle", "metaDescription", "content", "tags", "estimatedReadTime", "seoKeywords", "internalLinks",
    "ctaSuggestions", "seoOptimizationScore", "organizationContext", "generationMetadata", "visualContentSuggestions",
    "enhancedGeneration", "qualityPrediction",
}  # fmt: skip


def task_of(request: Request) -> str:
    return str(request.json()["response_format"]["json_schema"]["name"])


def said(value: Any, tokens: int = 100) -> Reply:
    text = value if isinstance(value, str) else json.dumps(value)
    return json_reply({"choices": [{"message": {"content": text}}], "usage": {"total_tokens": tokens}})


def answering(**instead: Callable[[int], Reply]) -> Handler:
    """Answers every task well, but for those given: these get the number of the call, from 0."""
    counts: dict[str, int] = {}

    def handler(request: Request) -> Reply:
        task = task_of(request)
        counts[task] = counts.get(task, -1) + 1
        reply = instead.get(task.removeprefix("content_"))
        return reply(counts[task]) if reply else said(ANSWERS[task])

    return handler


@dataclass
class World:
    llm: TestServer
    desk: OrganizationDesk
    pipeline: GenerateContent

    async def run(
        self, finished: Mapping[str, Any] | None = None, cancel_after: str = "", **parts: Any
    ) -> LocalOutcome:
        payload = content_payload(**parts)
        return await local_run(self.pipeline, payload, tries=1, finished=finished, cancel_after=cancel_after)

    @property
    def tasks(self) -> list[str]:
        return [task_of(request).removeprefix("content_") for request in self.llm.requests]


@asynccontextmanager
async def world(
    handler: Handler, *told: pb.GetJobOrganizationResponse | grpc.StatusCode, seconds: float = 10.0
) -> AsyncIterator[World]:
    with organization_desk(*(told or (KNOWN,))) as desk:
        async with (
            serve(handler) as server,
            provider_client() as client,
            open_organizations([desk.address], "token") as organizations,
        ):
            llm = OpenAiLanguageModel(client, server.url, "scripted", timeout=seconds)
            yield World(server, desk, GenerateContent(llm, organizations, seconds))


async def embedded(*told: pb.GetJobOrganizationResponse | grpc.StatusCode, **parts: Any) -> LocalOutcome:
    with organization_desk(*told) as desk:
        async with open_organizations([desk.address], "token") as organizations:
            pipeline = GenerateContent(EmbeddedLanguageModel(EMBEDDED_TASKS), organizations)
            return await local_run(pipeline, content_payload(**parts), tries=1)


def assert_whole(result: dict[str, Any]) -> None:
    """Every key of the jobs API with its type."""
    assert set(result) == {"success", "data", "savedPost", "enhancedGeneration", "metadata", "imageGeneration"}
    data, made = result["data"], result["data"]["generationMetadata"]
    assert set(data) == DATA_KEYS
    assert re.fullmatch(r"\d+ min", data["estimatedReadTime"])
    assert set(made) == {"model", "duration", "tokensUsed", "enhancementLevel", "generatedAt"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["generatedAt"])
    numbers = [made["duration"], made["tokensUsed"], data["seoOptimizationScore"], result["metadata"]["generationTime"]]
    assert all(type(number) is int and number >= 0 for number in numbers)
    assert data["seoOptimizationScore"] == data["qualityPrediction"]["expectedSEOScore"] <= 100
    assert result["metadata"]["qualityPrediction"] == data["qualityPrediction"]
    assert result["metadata"]["tokensUsed"] == made["tokensUsed"] > 0
    assert result["metadata"]["visualSuggestions"] == len(data["visualContentSuggestions"])
    assert result["savedPost"] is result["imageGeneration"]["blogPostId"] is None
    assert result["imageGeneration"]["needsImageGeneration"] is False


async def test_the_embedded_writer_makes_a_whole_result_from_the_organization() -> None:
    result = (await embedded(KNOWN)).result
    assert_whole(result)
    data = result["data"]
    assert data["organizationContext"] == {
        "dataCompleteness": 60,
        "hasWebsiteData": True,
        "hasManualInputs": False,
        "enhancementLevel": "medium",
    }
    assert data["generationMetadata"]["model"] == "embedded"
    assert data["seoOptimizationScore"] >= 80
    assert [link["suggestedUrl"] for link in data["internalLinks"]] == ["/pricing?plan=team", "/demo"]
    assert [(call["text"], call["type"]) for call in data["ctaSuggestions"]] == [
        ("Book a demo", "demo_link"),
        ("See pricing", "button"),
        ("Subscribe", "email_capture"),
    ]
    assert result["enhancedGeneration"] is data["enhancedGeneration"] is True
    assert result["imageGeneration"]["topic"] == {"title": TITLE}
    assert not result["imageGeneration"]["hasPlaceholders"]


async def test_without_an_organization_the_result_is_as_whole_and_says_what_is_missing() -> None:
    result = (await embedded(NOBODY, options={"includeVisuals": False, "autoSave": True, "status": "x"})).result
    assert_whole(result)
    assert result["data"]["organizationContext"]["dataCompleteness"] == 0
    assert result["data"]["internalLinks"] == result["data"]["ctaSuggestions"] == []
    assert result["metadata"]["visualSuggestions"] == 0
    assert result["enhancedGeneration"] is False
    assert any("Analyse the website" in advice for advice in result["data"]["qualityPrediction"]["recommendations"])


async def test_the_organization_is_asked_for_once_with_the_worker_s_token() -> None:
    async with world(answering()) as made:
        outcome = await made.run()
        assert outcome.result["success"]
        assert len(made.desk.requests) == 1
        assert made.desk.requests[0].job_id
        assert made.desk.tokens == ["Bearer token"]


async def test_a_service_that_is_away_for_a_moment_is_asked_again() -> None:
    away = grpc.StatusCode.UNAVAILABLE
    assert (await embedded(away, away, KNOWN)).result["data"]["organizationContext"]["hasWebsiteData"]


@pytest.mark.parametrize("code", [grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INTERNAL])
async def test_a_service_that_refuses_fails_the_run_at_once(code: grpc.StatusCode) -> None:
    failure = (await embedded(code)).failure
    assert failure.code == "INTERNAL"
    assert failure.message.startswith("the queue service did not tell the organization")


async def test_a_model_that_answers_well_is_asked_once_a_step() -> None:
    async with world(answering()) as made:
        outcome = await made.run()
        assert made.tasks == ["outline", "draft", "polish"]
        prompt = made.llm.requests[0].json()["messages"][1]["content"]
    result = outcome.result
    assert_whole(result)
    assert result["data"]["content"] == CONTENT
    assert result["data"]["generationMetadata"]["model"] == "scripted"
    assert result["metadata"]["tokensUsed"] == 300
    assert "Swap requests" in prompt
    assert "plansome.example/demo" in prompt
    assert "elsewhere.example" not in prompt
    assert list(outcome.steps) == ["outline", "draft", "polish"]


FAULTY = {
    "not JSON": "I would rather not.",
    "no text": {"text": "x"},
    "HTML": {"content": CONTENT + "\n<script>alert(1)</script>\n"},
    "foreign link": {"content": CONTENT + "\n[Win](https://evil.example)\n"},
    "no headings": {"content": "Just words. " * 60},
    "picture": {"content": CONTENT + "\n![x](https://evil.example/x.png)\n"},
}


@pytest.mark.parametrize("fault", sorted(FAULTY))
async def test_a_faulty_draft_is_asked_for_again_with_the_complaint(fault: str) -> None:
    async with world(
        answering(draft=lambda call: said(FAULTY[fault] if call == 0 else ANSWERS["content_draft"]))
    ) as made:
        result = (await made.run()).result
        assert made.tasks == ["outline", "draft", "draft", "polish"]
        assert "could not be used" in made.llm.requests[2].json()["messages"][1]["content"]
    assert result["data"]["content"] == CONTENT
    assert result["metadata"]["tokensUsed"] == 400


async def test_a_model_that_never_answers_well_fails_the_job_in_its_own_words() -> None:
    async with world(answering(polish=lambda call: said({**POST, "metaDescription": "short"}))) as made:
        failure = (await made.run()).failure
        assert made.tasks == ["outline", "draft", *["polish"] * 3]
    assert failure.code == "PROVIDER_ERROR"
    assert "metaDescription" in failure.message
    assert "after 3 attempts" in failure.message


async def test_a_model_that_is_late_once_is_asked_again() -> None:
    async with world(answering(outline=lambda call: hang() if call == 0 else said(OUTLINE)), seconds=0.5) as made:
        assert (await made.run()).result["success"]
        assert made.tasks == ["outline", "outline", "draft", "polish"]


async def test_a_model_that_never_answers_fails_the_job_in_time() -> None:
    async with world(answering(outline=lambda call: hang()), seconds=0.1) as made:
        async with asyncio.timeout(10):
            failure = (await made.run()).failure
        assert made.tasks == ["outline"] * 3
    assert failure.code == "PROVIDER_ERROR"
    assert "timeout" in failure.message


async def test_a_refusal_is_not_repeated() -> None:
    async with world(answering(outline=lambda call: status(401, "no such key"))) as made:
        failure = (await made.run()).failure
        assert len(made.llm.requests) == 1
    assert (failure.code, failure.message) == ("PROVIDER_ERROR", "language model answered HTTP 401: no such key")


async def test_a_later_run_pays_for_nothing_that_an_earlier_one_has_finished() -> None:
    async with world(
        answering(draft=lambda call: status(401) if call == 0 else said(ANSWERS["content_draft"]))
    ) as made:
        first = await made.run()
        assert first.failure.code == "PROVIDER_ERROR"
        assert list(first.steps) == ["outline"]
        second = await made.run(finished=first.steps)
        assert made.tasks == ["outline", "draft", "draft", "polish"]
        assert len(made.desk.requests) == 1
    assert second.result["metadata"]["tokensUsed"] == 300
    assert second.result["data"]["organizationContext"]["hasWebsiteData"]


@pytest.mark.parametrize("step", ["outline", "draft"])
async def test_after_a_cancel_the_model_is_not_called_any_more(step: str) -> None:
    async with world(answering()) as made:
        await made.run(cancel_after=step)
        assert made.tasks[-1] == step


async def test_image_placeholders_are_seen_where_visuals_are_wanted_and_refused_elsewhere() -> None:
    with_place = {**POST, "content": f"{CONTENT}\n![IMAGE:diagram:a week]\n"}
    async with world(answering(polish=lambda call: said(with_place))) as made:
        assert (await made.run()).result["imageGeneration"]["hasPlaceholders"] is True
        options = {"includeVisuals": False, "autoSave": True, "status": "draft"}
        assert "placeholders" in (await made.run(options=options)).failure.message


@pytest.mark.parametrize("broken", [{"topic": "x"}, {"businessInfo": None}, {"options": None}])
async def test_an_input_that_is_none_fails_as_such(broken: dict[str, Any]) -> None:
    assert (await embedded(NOBODY, **broken)).failure.code == "INVALID_PAYLOAD"
