"""Search without a search engine: the local corpus."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from jobline_worker.providers.corpus import Corpus
from jobline_worker.providers.search import SearchHit

__all__ = ["CorpusSearch"]


class CorpusSearch:
    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    async def search(self, query: str, limit: int) -> Sequence[SearchHit]:
        hits = await asyncio.to_thread(self._corpus.search, query, limit)
        return [SearchHit(hit.url, hit.title, hit.snippet) for hit in hits]
