"""The language model providers: what is sent, what is understood, and how each failure is called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from jobline.worker import PermanentError, TransientError
from jobline_worker.providers.errors import NoAnswer, ProviderTimeout
from jobline_worker.providers.http import MAX_ANSWER_BYTES, provider_client
from jobline_worker.providers.llm import Completion
from jobline_worker.providers.llm import Reply as LlmReply
from jobline_worker.providers.llm.embedded import EmbeddedLanguageModel
from jobline_worker.providers.llm.openai import OpenAiLanguageModel
from support.eventually import eventually
from support.provider_servers import (
    Handler,
    Reply,
    Request,
    always,
    cut,
    hang,
    in_turn,
    json_reply,
    refused_url,
    serve,
    status,
)

SCHEMA = {"type": "object", "properties": {"email": {"type": "string"}}}
QUESTION = Completion(task="email.compose", system="You write.", prompt="Write.", schema=SCHEMA, temperature=0.7)
KEY = "sk-proj-abcdefgh12345678"


def said(text: Any) -> Reply:
    return json_reply({"choices": [{"message": {"role": "assistant", "content": text}}]})


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with provider_client() as opened:
        yield opened


async def test_the_question_goes_out_as_a_chat_completion_with_the_key_and_the_schema(
    client: httpx.AsyncClient,
) -> None:
    async with serve(always(said('{"email": "Hello"}'))) as server:
        llm = OpenAiLanguageModel(client, server.url + "/v1/", "small", KEY)
        assert (await llm.complete(QUESTION)).text == '{"email": "Hello"}'
        request = server.requests[0]
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    body = request.json()
    assert body["model"] == llm.name == "small"
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["temperature"] == 0.7
    assert body["response_format"]["type"] == "json_schema"
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA


async def test_a_server_that_knows_no_schema_is_asked_in_simpler_forms_and_the_form_is_remembered(
    client: httpx.AsyncClient,
) -> None:
    def only_plain(request: Request) -> Reply:
        wanted = request.json().get("response_format", {}).get("type")
        return status(400, f"response_format {wanted} is not supported") if wanted else said("plain")

    async with serve(only_plain) as server:
        llm = OpenAiLanguageModel(client, server.url, "small")
        assert (await llm.complete(QUESTION)).text == "plain"
        assert len(server.requests) == 3
        assert (await llm.complete(QUESTION)).text == "plain"
        assert len(server.requests) == 4


async def test_a_bad_request_that_is_not_about_the_format_is_made_once(client: httpx.AsyncClient) -> None:
    async with serve(always(status(400, "model 'small' does not exist"))) as server:
        with pytest.raises(PermanentError, match="language model answered HTTP 400: model 'small' does not exist"):
            await OpenAiLanguageModel(client, server.url, "small").complete(QUESTION)
        assert len(server.requests) == 1


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
async def test_these_statuses_are_worth_another_try(client: httpx.AsyncClient, code: int) -> None:
    async with serve(always(status(code, "later"))) as server:
        with pytest.raises(TransientError, match=f"HTTP {code}"):
            await OpenAiLanguageModel(client, server.url, "small").complete(QUESTION)


@pytest.mark.parametrize("code", [301, 302, 401, 403, 404, 413])
async def test_these_statuses_are_final(client: httpx.AsyncClient, code: int) -> None:
    async with serve(always(status(code))) as server:
        with pytest.raises(PermanentError, match=f"HTTP {code}"):
            await OpenAiLanguageModel(client, server.url, "small").complete(QUESTION)


async def test_a_server_that_hangs_is_a_timeout_that_says_so(client: httpx.AsyncClient) -> None:
    async with serve(always(hang())) as server:
        llm = OpenAiLanguageModel(client, server.url, "small", timeout=0.05)
        with pytest.raises(ProviderTimeout, match="timeout"):
            await llm.complete(QUESTION)


async def test_a_server_that_is_not_there_is_unreachable_and_its_address_is_not_told(client: httpx.AsyncClient) -> None:
    url = refused_url().replace("http://", "http://user:secret@")
    with pytest.raises(NoAnswer, match="could not be reached") as caught:
        await OpenAiLanguageModel(client, url, "small").complete(QUESTION)
    assert "secret" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


async def test_a_connection_cut_in_the_middle_of_the_answer_is_unreachable(client: httpx.AsyncClient) -> None:
    async with serve(always(cut())) as server:
        with pytest.raises(NoAnswer):
            await OpenAiLanguageModel(client, server.url, "small").complete(QUESTION)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"<html>not JSON</html>"),
        Reply(body=b"[" * 100_000),
        json_reply({"choices": []}),
        json_reply(["choices"]),
        json_reply(None),
        said(None),
        said(""),
        said("   \n"),
        said([{"type": "image"}]),
        Reply(body=b"x" * (MAX_ANSWER_BYTES + 1)),
        Reply(body=b"not gzip", headers={"content-encoding": "gzip"}),
        Reply(body=b"?", headers={"content-encoding": "br"}),
    ],
)
async def test_an_answer_that_cannot_be_used_is_worth_another_try(client: httpx.AsyncClient, reply: Reply) -> None:
    async with serve(always(reply)) as server:
        with pytest.raises(TransientError):
            await OpenAiLanguageModel(client, server.url, "small").complete(QUESTION)


async def test_five_thousand_characters_of_error_become_a_short_line_without_the_key(client: httpx.AsyncClient) -> None:
    novel = f"Invalid key {KEY}\n\x00 Bearer other-secret sk-live-zzzzzzzzzzzz " + "blah " * 1000
    async with serve(always(status(401, novel))) as server:
        with pytest.raises(PermanentError) as caught:
            await OpenAiLanguageModel(client, server.url, "small", KEY).complete(QUESTION)
    message = str(caught.value)
    assert len(message) < 300
    assert "\n" not in message
    assert not any(secret in message for secret in (KEY, "other-secret", "sk-live", "abcdefgh"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("<think>They want an e-mail.</think>\n{}", "{}"),
        ([{"type": "text", "text": "one "}, {"type": "text", "text": "two"}], "one two"),
        ("a\x00b\ud800c", "a\ufffdb\ufffdc"),
    ],
)
async def test_the_answer_is_read_as_servers_really_send_it(
    client: httpx.AsyncClient, content: Any, expected: str
) -> None:
    async with serve(always(said(content))) as server:
        reply = await OpenAiLanguageModel(client, server.url, "small").complete(QUESTION)
    assert reply.text == expected


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"total_tokens": 321}, 321),
        ({"total_tokens": True}, 7),
        ({"total_tokens": 0}, 7),
        ({"total_tokens": -5}, 7),
        ({"total_tokens": 10**20}, 7),
        ({"total_tokens": "many"}, 7),
        ({}, 7),
        (None, 7),
    ],
)
async def test_tokens_are_the_servers_count_or_else_words_and_marks(
    client: httpx.AsyncClient, usage: Any, tokens: int
) -> None:
    message = {"choices": [{"message": {"role": "assistant", "content": "Yes."}}], "usage": usage}
    async with serve(always(json_reply(message))) as server:
        reply = await OpenAiLanguageModel(client, server.url, "small").complete(QUESTION)
    assert reply.tokens == tokens  # You write . | Write . | Yes .


async def test_a_failure_is_forgotten_by_the_next_call(client: httpx.AsyncClient) -> None:
    handler: Handler = in_turn(status(503), said("fine"))
    async with serve(handler) as server:
        llm = OpenAiLanguageModel(client, server.url, "small")
        with pytest.raises(TransientError):
            await llm.complete(QUESTION)
        assert (await llm.complete(QUESTION)).text == "fine"


async def test_giving_up_on_a_call_closes_its_connection(client: httpx.AsyncClient) -> None:
    async with serve(always(hang())) as server:
        call = asyncio.create_task(OpenAiLanguageModel(client, server.url, "small").complete(QUESTION))
        await eventually(lambda: server.requests, what="the call arrived")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_the_embedded_model_answers_a_task_from_its_inputs() -> None:
    llm = EmbeddedLanguageModel({"email.compose": lambda inputs: f"Dear {inputs['name']}"})
    assert llm.name == "embedded"
    assert await llm.complete(replace(QUESTION, inputs={"name": "Ada"})) == LlmReply("Dear Ada", 2)


async def test_the_embedded_model_refuses_a_task_that_it_was_not_given() -> None:
    with pytest.raises(PermanentError, match=r"email\.compose"):
        await EmbeddedLanguageModel({}).complete(QUESTION)
