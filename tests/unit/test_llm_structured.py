"""Structured answers: what is sent, which answers are taken, how a wrong one is asked for again, and how it ends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import httpx
import pytest
from pydantic import BaseModel, Field, ValidationInfo, field_validator

from jobline.worker import PermanentError, TriesExhausted
from jobline_worker.providers.errors import BadAnswer
from jobline_worker.providers.http import provider_client
from jobline_worker.providers.llm import Completion
from jobline_worker.providers.llm.json_answers import json_object
from jobline_worker.providers.llm.openai import OpenAiLanguageModel
from jobline_worker.providers.llm.structured import ask, strict_schema
from support.provider_servers import Reply, TestServer, always, hang, in_turn, json_reply, serve, status


class Idea(BaseModel):
    title: Annotated[str, Field(min_length=3, max_length=80)]
    default: str = "a name that the schema language has, too"


class Plan(BaseModel):
    topic: str
    size: Literal["small", "large"]
    ideas: Annotated[list[Idea], Field(min_length=1, max_length=3)]

    @field_validator("topic")
    @classmethod
    def names_no_other_host(cls, topic: str, info: ValidationInfo) -> str:
        if info.context and info.context["forbidden"] in topic:
            raise ValueError("it names the forbidden word")
        return topic


GOOD = {"topic": "engines", "size": "small", "ideas": [{"title": "How engines compute", "default": "x"}]}
QUESTION = Completion(task="content.plan", system="You plan.", prompt="Plan.", max_tokens=100)


def said(value: Any, tokens: int = 10) -> Reply:
    text = value if isinstance(value, str) else json.dumps(value)
    return json_reply({"choices": [{"message": {"content": text}}], "usage": {"total_tokens": tokens}})


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with provider_client() as opened:
        yield opened


def model_at(server: TestServer, client: httpx.AsyncClient) -> OpenAiLanguageModel:
    return OpenAiLanguageModel(client, server.url, "scripted")


def prompts(server: TestServer) -> list[str]:
    return [request.json()["messages"][1]["content"] for request in server.requests]


async def test_a_good_answer_is_taken_at_once_and_its_tokens_are_told(client: httpx.AsyncClient) -> None:
    async with serve(always(said(GOOD, 42))) as server:
        plan, tokens = await ask(model_at(server, client), QUESTION, Plan)
        assert len(server.requests) == 1
        schema = server.requests[0].json()["response_format"]["json_schema"]
    assert (plan.topic, plan.ideas[0].title, tokens) == ("engines", "How engines compute", 42)
    assert schema == {"name": "content_plan", "strict": True, "schema": strict_schema(Plan)}


@pytest.mark.parametrize(
    "wrapping",
    ["```json\n{}\n```", "Here you are:\n{}", "Of course, {{name}}! The JSON: {} I hope that helps {{:-)}}", "\n\n{}"],
)
async def test_the_object_is_found_in_fences_and_prose(client: httpx.AsyncClient, wrapping: str) -> None:
    async with serve(always(said(wrapping.format(json.dumps(GOOD, indent=1))))) as server:
        plan, _ = await ask(model_at(server, client), QUESTION, Plan)
    assert plan.topic == "engines"


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({**GOOD, "size": "huge"}, "size: Input should be 'small' or 'large'"),
        ({"topic": "engines", "size": "small"}, "ideas: Field required"),
        ({**GOOD, "ideas": [{"title": "x"}]}, "ideas.0.title: String should have at least 3 characters"),
        ({**GOOD, "topic": "the forbidden one"}, "topic: it names the forbidden word"),
        ("I will not.", "it has no complete JSON object"),
        (json.dumps(GOOD)[:-20], "it has no complete JSON object"),
        ("[1, 2]", "it has no complete JSON object"),
    ],
)
async def test_a_wrong_answer_is_asked_for_again_with_what_is_wrong_and_paid_for(
    client: httpx.AsyncClient, wrong: Any, complaint: str
) -> None:
    async with serve(in_turn(said(wrong, 7), said(GOOD, 5))) as server:
        plan, tokens = await ask(model_at(server, client), QUESTION, Plan, context={"forbidden": "forbidden"})
        first, second = prompts(server)
    assert (plan.topic, tokens) == ("engines", 12)
    assert first == "Plan."
    assert second.startswith("Plan.\n\n")
    assert complaint in second


async def test_after_three_wrong_answers_it_gives_up_in_words_for_users(client: httpx.AsyncClient) -> None:
    async with serve(always(said({**GOOD, "size": "huge\u202e" * 5000}))) as server:
        with pytest.raises(BadAnswer) as caught:
            await ask(model_at(server, client), QUESTION, Plan)
        assert len(server.requests) == 3
    message = str(caught.value)
    assert message.startswith("language model sent an answer that cannot be used: size: ")
    assert message.endswith("(after 3 attempts)")
    assert message.isprintable()
    assert len(message) < 800


async def test_wrong_answers_and_errors_share_the_tries(client: httpx.AsyncClient) -> None:
    async with serve(in_turn(said("nonsense"), status(503), said(GOOD))) as server:
        plan, _ = await ask(model_at(server, client), QUESTION, Plan)
        assert len(server.requests) == 3
    assert plan.topic == "engines"
    async with serve(in_turn(said("nonsense"), status(503))) as server:
        with pytest.raises(TriesExhausted, match="HTTP 503 after 2 attempts"):
            await ask(model_at(server, client), QUESTION, Plan, tries=2)
        assert len(server.requests) == 2


async def test_a_refusal_is_not_asked_again(client: httpx.AsyncClient) -> None:
    async with serve(always(status(401, "no such key"))) as server:
        with pytest.raises(PermanentError, match="HTTP 401"):
            await ask(model_at(server, client), QUESTION, Plan)
        assert len(server.requests) == 1


async def test_every_call_is_bounded_in_time(client: httpx.AsyncClient) -> None:
    async with serve(always(hang())) as server:
        with pytest.raises(TriesExhausted, match=r"timeout: no answer within 0.5 seconds after 2 attempts"):
            await ask(model_at(server, client), QUESTION, Plan, tries=2, seconds=0.5)
        assert len(server.requests) == 2


async def test_what_postgresql_cannot_store_is_taken_out_even_if_it_was_escaped(client: httpx.AsyncClient) -> None:
    async with serve(
        always(said('{"topic":"a\\u0000b\\ud800c","size":"small","ideas":[{"title":"x\\u0000yz"}]}'))
    ) as server:
        plan, _ = await ask(model_at(server, client), QUESTION, Plan)
    assert (plan.topic, plan.ideas[0].title) == ("a\ufffdb\ufffdc", "x\ufffdyz")


def test_the_schema_is_strict_everywhere_and_keeps_the_names_of_fields() -> None:
    schema = strict_schema(Plan)
    idea = schema["$defs"]["Idea"]
    assert schema["additionalProperties"] is idea["additionalProperties"] is False
    assert schema["required"] == ["topic", "size", "ideas"]
    assert idea["required"] == ["title", "default"]
    assert "minLength" not in idea["properties"]["title"]
    assert schema["properties"]["ideas"]["maxItems"] == 3


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1}', {"a": 1}),
        ('{a} {"a": {"b": 2}} {"c": 3}', {"a": {"b": 2}}),
        ('{"a": "{}"', None),
        ("", None),
        ("{" * 100_000, None),
        ('{"a":' * 100_000, None),
        ("[" * 100_000, None),
    ],
)
def test_the_first_object_of_a_text_is_read_and_never_a_part_of_a_broken_one(text: str, found: Any) -> None:
    assert json_object(text) == found
