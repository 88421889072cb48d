"""Pages without a network: the local corpus."""

from __future__ import annotations

import asyncio

from jobline_worker.providers.corpus import Corpus
from jobline_worker.providers.pages import Page, PageUnreadable

__all__ = ["CorpusPages"]


class CorpusPages:
    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    async def read(self, url: str) -> Page:
        text = await asyncio.to_thread(self._corpus.page, url)
        if not text:
            raise PageUnreadable("the corpus has no such page")
        return Page(url, "", text)
