"""The arXiv provider: the query, the Atom feed, and what is no feed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from jobline.worker import PermanentError, TransientError
from jobline_worker.providers.arxiv import Paper
from jobline_worker.providers.arxiv.atom import AtomPaperSource
from jobline_worker.providers.arxiv.spacing import RequestSpacing
from jobline_worker.providers.errors import NoAnswer
from jobline_worker.providers.http import provider_client
from support.provider_servers import Reply, always, cut, hang, refused_url, serve, status

ENTRY = """<entry><id>http://arxiv.org/abs/2401.00001v2</id><published>2024-01-02T03:04:05Z</published>
<title>Folding at
  scale</title><summary> We fold &lt;b&gt;proteins&lt;/b&gt;. </summary>
<author><name>Alice Johnson</name></author><author><name>Bob Wilson</name></author></entry>"""


def feed(*entries: str) -> Reply:
    body = f'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>q</title>{"".join(entries)}</feed>'
    return Reply(body=body.encode(), headers={"content-type": "application/atom+xml"})


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with provider_client() as opened:
        yield opened


def source(client: httpx.AsyncClient, url: str, timeout: float = 5.0) -> AtomPaperSource:
    return AtomPaperSource(client, url, RequestSpacing(None, gap=0.0), timeout)


async def test_the_author_is_asked_for_in_quotes_and_the_feed_becomes_papers(client: httpx.AsyncClient) -> None:
    async with serve(always(feed(ENTRY))) as server:
        papers = await source(client, server.url + "/api/query").papers_by("Alice Johnson", 15)
        request = server.requests[0]
    assert request.path == "/api/query"
    assert request.query["search_query"] == 'au:"Alice Johnson"'
    assert request.query["max_results"] == "15"
    assert papers == [
        Paper(
            title="Folding at scale",
            abstract="We fold <b>proteins</b>.",
            authors=("Alice Johnson", "Bob Wilson"),
            published_date="2024-01-02",
            year=2024,
            arxiv_url="http://arxiv.org/abs/2401.00001v2",
        )
    ]


async def test_a_name_with_quotes_stays_one_name(client: httpx.AsyncClient) -> None:
    async with serve(always(feed())) as server:
        await source(client, server.url).papers_by('Bob" OR all:"x\\', 15)
        assert server.requests[0].query["search_query"] == 'au:"Bob OR all: x"'


async def test_entries_that_are_no_papers_are_left_out(client: httpx.AsyncClient) -> None:
    error = "<entry><id>http://arxiv.org/api/errors#1</id><title>Error</title><published>2024-01-01T00:00:00Z</published></entry>"
    undated = "<entry><id>http://arxiv.org/abs/1</id><title>No date</title></entry>"
    script = "<entry><id>javascript:/abs/</id><title>x</title><published>2024-01-01T00:00:00Z</published></entry>"
    async with serve(always(feed(error, undated, script, ENTRY))) as server:
        assert [paper.year for paper in await source(client, server.url).papers_by("A", 15)] == [2024]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"<html><body>Rate exceeded.</body></html>"),
        Reply(body=b"/etc/hostname"),
        Reply(body=b"http://127.0.0.1:9/feed"),
        Reply(body=b""),
        status(503, "x" * 5000),
        cut(),
    ],
)
async def test_what_is_no_feed_is_worth_another_try_and_never_opened_as_a_file_or_address(
    client: httpx.AsyncClient, reply: Reply
) -> None:
    async with serve(always(reply)) as server:
        with pytest.raises(TransientError) as caught:
            await source(client, server.url).papers_by("A", 15)
    assert len(str(caught.value)) < 300


async def test_an_entity_bomb_is_not_expanded(client: httpx.AsyncClient) -> None:
    entities = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
    bomb = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "ha">{entities}]><feed><entry><id>http://arxiv.org/abs/1</id><title>&e9;</title></entry></feed>'
    async with serve(always(Reply(body=bomb.encode()))) as server:
        assert await source(client, server.url).papers_by("A", 15) == []


async def test_a_refusal_is_final_and_no_answer_is_not(client: httpx.AsyncClient) -> None:
    async with serve(always(status(400))) as server:
        with pytest.raises(PermanentError, match="arXiv answered HTTP 400"):
            await source(client, server.url).papers_by("A", 15)
    async with serve(always(hang())) as server:
        with pytest.raises(NoAnswer, match="timeout"):
            await source(client, server.url, timeout=0.05).papers_by("A", 15)
    with pytest.raises(NoAnswer):
        await source(client, refused_url()).papers_by("A", 15)
