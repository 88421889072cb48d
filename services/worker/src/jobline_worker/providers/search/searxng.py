"""SearXNG's JSON search: `GET {url}/search?q=…&format=json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx

from jobline_worker.providers.errors import BadAnswer
from jobline_worker.providers.http import HttpProvider
from jobline_worker.providers.search import SearchHit
from jobline_worker.providers.storable import storable

__all__ = ["SearxngSearch"]

#: A result's texts are cut to this many characters: they stand in for a page, they are not one.
MAX_SNIPPET_LENGTH = 1000


class SearxngSearch:
    def __init__(self, client: httpx.AsyncClient, url: str, timeout: float = 45.0) -> None:
        self._http = HttpProvider(client, "search", timeout)
        self._url = f"{url.rstrip('/')}/search"

    async def search(self, query: str, limit: int) -> Sequence[SearchHit]:
        """The first `limit` results that have a web address. Raises BadAnswer for anything but a result list."""
        answer = self._http.decode(await self._http.get(self._url, {"q": query, "format": "json"}))
        if not isinstance(answer, Mapping) or not isinstance(answer.get("results"), list):
            raise BadAnswer("search sent an answer without a result list")
        return list(_hits(answer["results"]))[:limit]


def _hits(results: Sequence[Any]) -> Iterator[SearchHit]:
    for result in results:
        url = result.get("url") if isinstance(result, Mapping) else None
        if isinstance(url, str) and url.startswith(("http://", "https://")) and len(url) <= 2000:
            yield SearchHit(
                storable(url), _line(result.get("title"), 300), _line(result.get("content"), MAX_SNIPPET_LENGTH)
            )


def _line(value: object, length: int) -> str:
    return storable(" ".join(value.split()))[:length] if isinstance(value, str) else ""
