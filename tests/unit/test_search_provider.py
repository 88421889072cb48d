"""The SearXNG provider: what is asked, what is taken from the answer, how failures are called."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from jobline.worker import PermanentError, TransientError
from jobline_worker.providers.corpus import Corpus
from jobline_worker.providers.errors import NoAnswer, ProviderTimeout
from jobline_worker.providers.http import provider_client
from jobline_worker.providers.search import SearchHit
from jobline_worker.providers.search.embedded import CorpusSearch
from jobline_worker.providers.search.searxng import SearxngSearch
from support.provider_servers import Reply, always, cut, hang, json_reply, refused_url, serve, status


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with provider_client() as opened:
        yield opened


async def test_a_query_is_sent_as_q_and_the_results_come_back_as_hits(client: httpx.AsyncClient) -> None:
    results = [{"url": "https://example.org/ada", "title": " Ada\nLovelace ", "content": "Notes.", "score": 3}]
    async with serve(always(json_reply({"results": results}))) as server:
        hits = await SearxngSearch(client, server.url + "/").search('Ada "Lovelace" & co', 10)
        request = server.requests[0]
    assert (request.path, request.query) == ("/search", {"q": 'Ada "Lovelace" & co', "format": "json"})
    assert hits == [SearchHit("https://example.org/ada", "Ada Lovelace", "Notes.")]


async def test_results_without_a_web_address_are_left_out_and_odd_texts_are_empty(client: httpx.AsyncClient) -> None:
    results = [
        None,
        "text",
        {"title": "no address"},
        {"url": 7},
        {"url": "javascript:alert(1)"},
        {"url": "https://example.org/" + "x" * 3000},
        {"url": "https://example.org/a", "title": None, "content": ["list"]},
        {"url": "https://example.org/b", "title": "t" * 999, "content": "\x00c" * 9999},
        {"url": "https://example.org/c"},
    ]
    async with serve(always(json_reply({"results": results}))) as server:
        hits = await SearxngSearch(client, server.url).search("ada", 2)
    assert hits[0] == SearchHit("https://example.org/a", "", "")
    assert (len(hits), len(hits[1].title), len(hits[1].snippet)) == (2, 300, 1000)
    assert "\x00" not in hits[1].snippet


async def test_no_result_is_an_answer(client: httpx.AsyncClient) -> None:
    async with serve(always(json_reply({"results": []}))) as server:
        assert await SearxngSearch(client, server.url).search("ada", 10) == []


@pytest.mark.parametrize(
    "reply",
    [Reply(body=b"<html>blocked</html>"), json_reply([]), json_reply({"answers": []}), status(429), status(503), cut()],
)
async def test_nonsense_and_temporary_refusals_are_worth_another_try(client: httpx.AsyncClient, reply: Reply) -> None:
    async with serve(always(reply)) as server:
        with pytest.raises(TransientError):
            await SearxngSearch(client, server.url).search("ada", 10)


async def test_a_refusal_is_final_and_its_novel_is_cut(client: httpx.AsyncClient) -> None:
    async with serve(always(status(403, "format json is not allowed " * 200))) as server:
        with pytest.raises(PermanentError, match="search answered HTTP 403: format json") as caught:
            await SearxngSearch(client, server.url).search("ada", 10)
    assert len(str(caught.value)) < 300


async def test_a_search_that_hangs_or_is_not_there_gave_no_answer(client: httpx.AsyncClient) -> None:
    async with serve(always(hang())) as server:
        with pytest.raises(ProviderTimeout):
            await SearxngSearch(client, server.url, timeout=0.05).search("ada", 10)
    with pytest.raises(NoAnswer):
        await SearxngSearch(client, refused_url()).search("ada", 10)


async def test_an_empty_corpus_finds_nothing() -> None:
    assert await CorpusSearch(Corpus(())).search("Ada Lovelace", 10) == []
