"""Embeddings over HTTP: what is sent, what is understood of answers good and bad, and when a server is asked again."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from jobline.worker import PermanentError, TransientError
from jobline_worker.providers.embeddings import EmbeddingMismatch
from jobline_worker.providers.embeddings.openai import OpenAiEmbedder
from jobline_worker.providers.errors import BadAnswer, NoAnswer, ProviderTimeout, Refused, TemporarilyRefused
from jobline_worker.providers.http import provider_client
from support.embedding_server import EmbeddingServer, embedding_server, vector_of
from support.provider_servers import Handler, Reply, TestServer, always, cut, dribble, hang, html, json_reply, serve

KEY = "sk-embed-abcdefgh12345678"
DIMENSIONS = 8
TEXTS = ["green tea", "a slow train", "the answer was clear"]
VECTORS = [vector_of(text, DIMENSIONS) for text in TEXTS]


@asynccontextmanager
async def embedder_before(url: str, seconds: float = 20.0) -> AsyncIterator[OpenAiEmbedder]:
    async with provider_client() as client:
        yield OpenAiEmbedder(client, url, "small", DIMENSIONS, KEY, seconds)


@asynccontextmanager
async def served() -> AsyncIterator[tuple[EmbeddingServer, OpenAiEmbedder]]:
    async with embedding_server(DIMENSIONS) as server, embedder_before(server.url) as embedder:
        yield server, embedder


@asynccontextmanager
async def answering(handler: Handler, seconds: float = 20.0) -> AsyncIterator[tuple[TestServer, OpenAiEmbedder]]:
    async with serve(handler) as server, embedder_before(server.url, seconds) as embedder:
        yield server, embedder


def data(*vectors: Any, **fields: Any) -> Reply:
    items = [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    return json_reply({"object": "list", "data": items, **fields})


# ---- what is sent, and good answers -------------------------------------------------------------------------------------


async def test_the_texts_of_a_call_go_in_one_request_and_their_vectors_come_back() -> None:
    async with answering(always(data(*VECTORS))) as (server, embedder):
        assert await embedder.embed(TEXTS) == VECTORS
        (request,) = server.requests
        assert (request.method, request.path) == ("POST", "/embeddings")
        assert request.json() == {"model": "small", "input": TEXTS}
        assert request.headers["authorization"] == f"Bearer {KEY}"


async def test_a_server_without_key_is_sent_none() -> None:
    async with serve(always(data(*VECTORS))) as server, provider_client() as client:
        await OpenAiEmbedder(client, f"{server.url}/", "small", DIMENSIONS).embed(TEXTS)
        assert "authorization" not in server.requests[0].headers
        assert server.requests[0].path == "/embeddings"


async def test_a_long_text_is_cut() -> None:
    async with served() as (server, embedder):
        await embedder.embed(["word " * 4000, "short"])
        assert [len(text) for text in server.embedded[0]] == [8000, 5]


async def test_answers_out_of_order_are_put_into_it() -> None:
    items = [{"index": index, "embedding": VECTORS[index]} for index in (2, 0, 1)]
    async with answering(always(json_reply({"data": items}))) as (_, embedder):
        assert await embedder.embed(TEXTS) == VECTORS


async def test_without_numbers_the_order_of_the_texts_counts() -> None:
    async with answering(always(json_reply({"data": [{"embedding": vector} for vector in VECTORS]}))) as (_, embedder):
        assert await embedder.embed(TEXTS) == VECTORS


async def test_whole_numbers_are_numbers() -> None:
    async with answering(always(data([1, 0, 0, 0, 0, 0, 0, -1]))) as (_, embedder):
        assert await embedder.embed(["a"]) == [[1, 0, 0, 0, 0, 0, 0, -1]]


# ---- bad answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimensions", [1, 7, 9, 768])
async def test_vectors_of_another_length_are_a_mismatch(dimensions: int) -> None:
    async with served() as (server, embedder):
        server.dimensions = dimensions
        with pytest.raises(EmbeddingMismatch) as mismatch:
            await embedder.embed(TEXTS)
        assert str(mismatch.value) == f"Embedding dimension mismatch: expected 8, got {dimensions}"


@pytest.mark.parametrize(
    "reply",
    [
        data(*VECTORS[:2]),
        data(*VECTORS, VECTORS[0]),
        json_reply({"data": [{"index": 0, "embedding": vector} for vector in VECTORS]}),
        json_reply({"data": [{"index": index + 1, "embedding": VECTORS[0]} for index in range(3)]}),
        json_reply({"data": [{"index": str(index), "embedding": VECTORS[0]} for index in range(3)]}),
        json_reply({"data": [{"index": index % 2 == 0, "embedding": VECTORS[0]} for index in range(3)]}),
        data(VECTORS[0], VECTORS[1], [math.nan] * 8),
        data(VECTORS[0], VECTORS[1], [math.inf] * 8),
        data(VECTORS[0], VECTORS[1], [10**400] * 8),
        data(VECTORS[0], VECTORS[1], [0.0] * 8),
        data(VECTORS[0], VECTORS[1], [1e-30] * 8),
        data(VECTORS[0], VECTORS[1], ["0.5"] * 8),
        data(VECTORS[0], VECTORS[1], [True] * 8),
        data(VECTORS[0], VECTORS[1], [[1.0]] * 8),
        data(VECTORS[0], VECTORS[1], "AACAPwAAAAA="),
        data(VECTORS[0], VECTORS[1], None),
        json_reply({"data": [{"index": 0}] * 3}),
        json_reply({"data": VECTORS}),
        json_reply({"data": None}),
        json_reply({"error": {"message": "model not loaded"}}),
        json_reply(VECTORS),
        json_reply(None),
        html("<html><body>Welcome to the proxy</body></html>"),
        Reply(body=b""),
        Reply(body=b"[" * 100_000),
        Reply(body=b" " * (8 * 1024 * 1024 + 1)),
    ],
    ids=[
        "too few",
        "too many",
        "one place for all",
        "places from 1",
        "places as text",
        "places as truth",
        "not a number",
        "infinite",
        "too large for a float",
        "zeros",
        "nearly zeros",
        "numbers as text",
        "booleans",
        "nested",
        "base64",
        "null",
        "no vector",
        "bare vectors",
        "no data",
        "an error",
        "a list",
        "nothing",
        "a web page",
        "empty",
        "deep",
        "huge",
    ],
)
async def test_an_answer_that_cannot_be_used_may_be_better_the_next_time(reply: Reply) -> None:
    async with answering(always(reply)) as (_, embedder):
        with pytest.raises(BadAnswer):
            await embedder.embed(TEXTS)


async def test_a_redirect_is_not_followed() -> None:
    async with serve(always(data(*VECTORS))) as elsewhere:
        moved = Reply(307, b"", {"location": f"{elsewhere.url}/embeddings"})
        async with answering(always(moved)) as (_, embedder):
            with pytest.raises(Refused):
                await embedder.embed(TEXTS)
        assert elsewhere.requests == [], "nobody else gets the key and the texts"


@pytest.mark.parametrize("reply", [hang(), dribble()], ids=["silent", "slow"])
async def test_a_server_that_does_not_come_to_an_end_is_given_up(reply: Reply) -> None:
    async with answering(always(reply), seconds=0.2) as (_, embedder):
        with pytest.raises(ProviderTimeout):
            await embedder.embed(TEXTS)


async def test_an_answer_that_breaks_off_is_no_answer() -> None:
    async with answering(always(cut())) as (_, embedder):
        with pytest.raises(NoAnswer):
            await embedder.embed(TEXTS)


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, PermanentError), (401, PermanentError), (404, PermanentError), (429, TransientError), (503, TransientError)],
)
async def test_the_key_is_in_no_message_and_in_no_log(
    status: int, error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}}).encode()
    async with answering(always(Reply(status, body))) as (_, embedder):
        with pytest.raises(error) as refusal:
            await embedder.embed(TEXTS)
    assert f"HTTP {status}" in str(refusal.value)
    assert KEY not in str(refusal.value) + caplog.text + repr(embedder)


# ---- a server that has trouble ------------------------------------------------------------------------------------------


async def test_a_server_that_says_when_is_asked_again_once() -> None:
    async with served() as (server, embedder):
        server.limited, server.retry_after = 1, "0"
        assert await embedder.embed(TEXTS) == VECTORS
        server.limited = 2
        with pytest.raises(TemporarilyRefused):
            await embedder.embed(TEXTS)
        assert server.asked == 4


def in_the_past() -> str:
    return format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)


def in_an_hour() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)


@pytest.mark.parametrize(
    ("retry_after", "asked"),
    [
        (in_the_past, 2),
        (in_an_hour, 1),
        (lambda: "61", 1),
        (lambda: "-1", 1),
        (lambda: "soon", 1),
        (lambda: "9" * 400, 1),
        (lambda: None, 1),
    ],
    ids=["a date in the past", "a date to come", "late", "negative", "nonsense", "endless", "no word"],
)
async def test_only_a_short_wait_is_kept(retry_after: Callable[[], str | None], asked: int) -> None:
    async with served() as (server, embedder):
        server.limited, server.retry_after = 1, retry_after()
        if asked == 1:
            with pytest.raises(TemporarilyRefused):
                await embedder.embed(TEXTS)
        else:
            assert await embedder.embed(TEXTS) == VECTORS
        assert server.asked == asked


async def test_a_server_that_fails_every_other_time_answers_every_other_time() -> None:
    async with served() as (server, embedder):
        server.failing = 0.5
        outcomes = []
        for _ in range(4):
            try:
                outcomes.append(await embedder.embed(TEXTS) == VECTORS)
            except TransientError:
                outcomes.append(False)
        assert outcomes == [True, False, True, False]


async def test_a_server_that_was_dead_is_found_again() -> None:
    async with served() as (server, embedder):
        assert await embedder.embed(TEXTS) == VECTORS
        await server.die()
        with pytest.raises(NoAnswer):
            await embedder.embed(TEXTS)
        await server.revive()
        assert await embedder.embed(TEXTS) == VECTORS
