"""Step 2: what the web says about the recipient, boiled down to one page of facts.

All searches are sent together, then up to six distinct result pages are read together. Losing a page or a search is
normal; the step fails only when no search got an answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

from jobline.worker import PermanentError, Run, TransientError
from jobline_worker.pipelines.email.failures import cause_text, is_no_answer
from jobline_worker.pipelines.email.request import EmailRequest
from jobline_worker.pipelines.email.scraped_content import Source, publications_first, scraped_content
from jobline_worker.providers.pages import PageReader, PageUnreadable
from jobline_worker.providers.search import SearchHit, SearchProvider

__all__ = ["MAX_PAGES", "choose_pages", "scrape_web"]

logger = logging.getLogger(__name__)

#: Time limit of one try of one search, in seconds. A page has its own limit of 10 s.
TIMEOUT = 45.0
MAX_PAGES = 6
_HITS_PER_SEARCH = 10


@dataclass(frozen=True)
class _Searches:
    """The hits of each search that got an answer, and why the others did not."""

    answered: list[Sequence[SearchHit]]
    failures: list[tuple[str, Exception]]


async def scrape_web(run: Run, search: SearchProvider, pages: PageReader) -> dict[str, Any]:
    """The step: `scraped_content`, `scraped_urls`, `sources`, `warnings` and counts of the search."""
    request = EmailRequest.from_payload(run.payload)
    terms: list[str] = run.outputs["template_parser"]["search_terms"]
    searches = await _search_together(run, search, terms)
    hits = choose_pages(searches.answered)
    found = await _read_together(run, pages, hits)
    read = [source for source, was_read in found if was_read]
    usable = [source for source, _ in found if source.text]
    content, sources = await asyncio.to_thread(scraped_content, usable, request.name, request.interest)
    return {
        "scraped_content": content,
        "scraped_urls": [source.url for source in publications_first(read)],
        "sources": sources,
        "warnings": [f"search failed for {term!r}: {cause_text(error)}" for term, error in searches.failures],
        "search": {"queries": len(terms), "results": len(hits), "pages_read": len(read)},
    }


async def _search_together(run: Run, search: SearchProvider, terms: Sequence[str]) -> _Searches:
    """Sends all searches at once. Raises when none got an answer, preferably what is not "did not answer"."""

    async def one(term: str) -> Sequence[SearchHit]:
        return await run.attempt(lambda: search.search(term, _HITS_PER_SEARCH), timeout=TIMEOUT)

    outcomes = await asyncio.gather(*(one(term) for term in terms), return_exceptions=True)
    searches = _Searches([], [])
    for term, outcome in zip(terms, outcomes, strict=True):
        match outcome:
            case TransientError() | PermanentError() | TimeoutError():
                searches.failures.append((term, outcome))
            case BaseException():
                raise outcome
            case _:
                searches.answered.append(outcome)
    if not searches.answered:
        raise min((error for _, error in searches.failures), key=is_no_answer)
    return searches


def choose_pages(answers: Sequence[Sequence[SearchHit]]) -> list[SearchHit]:
    """The pages to read: the searches' hits in turn, best first, distinct by address, at most six."""
    chosen: dict[str, SearchHit] = {}
    for hit in chain.from_iterable(zip_longest(*answers)):
        if hit is not None:
            chosen.setdefault(_same_page(hit.url), hit)
    return list(chosen.values())[:MAX_PAGES]


def _same_page(url: str) -> str:
    """What two addresses of one page have in common: not the fragment, the scheme or a closing slash."""
    return url.partition("#")[0].partition("://")[2].rstrip("/").removeprefix("www.")


async def _read_together(run: Run, pages: PageReader, hits: Sequence[SearchHit]) -> list[tuple[Source, bool]]:
    """All pages at once, in the order of the hits; the run's progress counts them."""
    done = 0

    async def one(hit: SearchHit) -> tuple[Source, bool]:
        nonlocal done
        source = await _read(pages, hit)
        done += 1
        run.progress(done, len(hits), "reading pages")
        return source

    return await asyncio.gather(*(one(hit) for hit in hits))


async def _read(pages: PageReader, hit: SearchHit) -> tuple[Source, bool]:
    """The page's text and True; for an unreadable page the search's snippet and False."""
    try:
        page = await pages.read(hit.url)
    except PageUnreadable as error:
        logger.info("page %s is skipped: %s", hit.url, error)
        return Source(hit.url, hit.title, hit.snippet), False
    return Source(hit.url, page.title or hit.title, page.text), True
