"""Finding pages about a recipient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["SearchHit", "SearchProvider"]


@dataclass(frozen=True)
class SearchHit:
    """One search result: the page's address, its title and a short extract, each possibly empty but the address."""

    url: str
    title: str
    snippet: str


class SearchProvider(Protocol):
    async def search(self, query: str, limit: int) -> Sequence[SearchHit]:
        """At most `limit` hits, best first; none is a valid answer. Raises TransientError or PermanentError."""
        ...
