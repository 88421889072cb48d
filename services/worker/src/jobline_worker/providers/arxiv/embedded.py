"""Papers without a network: those that the pages of the local corpus list."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from jobline_worker.providers.arxiv import Paper
from jobline_worker.providers.corpus import Corpus

__all__ = ["CorpusPaperSource"]


class CorpusPaperSource:
    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    async def papers_by(self, author: str, limit: int) -> Sequence[Paper]:
        return await asyncio.to_thread(self._corpus.papers_by, author, limit)
