"""arXiv's API: `GET {url}?search_query=au:"name"` answers an Atom feed (info.arxiv.org/help/api/user-manual)."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import feedparser
import httpx

from jobline_worker.providers.arxiv import Paper
from jobline_worker.providers.arxiv.spacing import RequestSpacing
from jobline_worker.providers.errors import BadAnswer
from jobline_worker.providers.http import HttpProvider

__all__ = ["AtomPaperSource"]

#: Bounds of what one paper may bring along, so that five of them stay a small step output.
MAX_ABSTRACT_LENGTH = 3000
MAX_AUTHORS = 30


class AtomPaperSource:
    """Asks the arXiv API, never more often than the spacing allows: also every retry waits its turn."""

    def __init__(self, client: httpx.AsyncClient, url: str, spacing: RequestSpacing, timeout: float = 15.0) -> None:
        self._http = HttpProvider(client, "arXiv", timeout)
        self._url = url
        self._spacing = spacing

    async def papers_by(self, author: str, limit: int) -> Sequence[Paper]:
        """The author's papers, newest first. Raises BadAnswer for anything but an Atom feed."""
        query: dict[str, str | int] = {
            "search_query": f'au:"{_quotable(author)}"',
            "start": 0,
            "max_results": limit,
            "sortBy": "submittedDate",
            "sortOrder": "descending",
        }
        async with self._spacing.turn():
            answer = await self._http.get(self._url, query)
        return (await asyncio.to_thread(_parse, answer))[:limit]


def _quotable(author: str) -> str:
    """The name inside the query's quotes: a quote of its own would end them and start another query."""
    return " ".join(author.replace('"', " ").replace("\\", " ").split())


def _parse(answer: bytes) -> list[Paper]:
    # A stream, not the bytes: feedparser would open a text that looks like a file name or an address.
    feed = feedparser.parse(io.BytesIO(answer), sanitize_html=True, resolve_relative_uris=False)
    if not feed.get("version"):
        raise BadAnswer("arXiv sent an answer that is not an Atom feed")
    return list(_papers(feed.entries))


def _papers(entries: Sequence[Mapping[str, Any]]) -> Iterator[Paper]:
    """Entries that lack a part are left out; so are arXiv's own error entries, which link to no paper."""
    for entry in entries:
        published, url = entry.get("published_parsed"), str(entry.get("id", ""))
        title = " ".join(str(entry.get("title", "")).split())
        if not (published and title and "/abs/" in url and url.startswith(("http://", "https://"))):
            continue
        yield Paper(
            title=title[:500],
            abstract=" ".join(str(entry.get("summary", "")).split())[:MAX_ABSTRACT_LENGTH],
            authors=tuple(str(author.get("name", ""))[:200] for author in entry.get("authors", ())[:MAX_AUTHORS]),
            published_date=f"{published.tm_year:04}-{published.tm_mon:02}-{published.tm_mday:02}",
            year=published.tm_year,
            arxiv_url=url[:300],
        )
