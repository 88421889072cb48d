"""A world for one run of the e-mail pipeline: four real HTTP servers, scripted by the test, and the real providers.

async with email_world(compose=always(status(503))) as world:
    outcome = await world.run()
    assert len(world.llm.requests) == ...
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from jobline.worker.testing import LocalOutcome, local_run
from jobline_worker.pipelines.email import GenerateEmail
from jobline_worker.providers.arxiv.atom import AtomPaperSource
from jobline_worker.providers.arxiv.spacing import RequestSpacing
from jobline_worker.providers.bundle import Providers
from jobline_worker.providers.embeddings.embedded import EmbeddedEmbedder
from jobline_worker.providers.http import provider_client
from jobline_worker.providers.images.embedded import EmbeddedImageMaker
from jobline_worker.providers.llm.openai import OpenAiLanguageModel
from jobline_worker.providers.pages.addresses import AllowList
from jobline_worker.providers.pages.fetcher import FetchLimits, SafePageFetcher
from jobline_worker.providers.pages.reader import SafePageReader
from jobline_worker.providers.search.searxng import SearxngSearch
from support.provider_servers import Handler, Reply, Request, TestServer, always, html, json_reply, serve

__all__ = ["ADA", "EMAIL", "EmailWorld", "atom", "composed", "email_world", "entered", "found", "said", "terms"]

ADA = "Ada Lovelace designed a way to compute Bernoulli numbers with the Analytical Engine in 1843."
EMAIL = "Dear Ada Lovelace,\n\n" + "I read your notes on the Analytical Engine with great pleasure. " * 6

RESEARCH_TEMPLATE = "Dear {{name}}, I read your paper on {{topic}}."


def said(text: str) -> Reply:
    """A chat completion."""
    return json_reply({"choices": [{"message": {"role": "assistant", "content": text}}]})


def terms(*values: Any) -> Reply:
    return said(json.dumps({"search_terms": list(values)}))


def composed(text: str, is_confident: bool = True) -> Reply:
    return said(json.dumps({"email": text, "is_confident": is_confident}))


def found(*urls: str, snippet: str = "") -> Reply:
    """A search answer."""
    return json_reply({"results": [{"url": url, "title": "Ada Lovelace", "content": snippet} for url in urls]})


def atom(*days: str) -> Reply:
    """An Atom feed with one paper a day given."""
    entries = "".join(
        f"<entry><id>http://arxiv.org/abs/{day}</id><published>{day}T00:00:00Z</published><title>Paper of {day}</title>"
        "<author><name>Ada Lovelace</name></author><summary>About engines.</summary></entry>"
        for day in days
    )
    return Reply(body=f'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom">{entries}</feed>'.encode())


@dataclass
class EmailWorld:
    llm: TestServer
    search: TestServer
    pages: TestServer
    arxiv: TestServer
    providers: Providers

    async def run(
        self,
        name: str = "Ada Lovelace",
        interest: str = "engines",
        template: str = RESEARCH_TEMPLATE,
        backoff: tuple[float, ...] = (0.0,),
    ) -> LocalOutcome:
        payload = {"recipient_name": name, "recipient_interest": interest, "email_template": template}
        return await local_run(GenerateEmail(self.providers), payload, tries=3, backoff=backoff)

    def calls(self, task: str) -> list[Request]:
        """The language model's requests for `email_search_terms` or `email_compose`."""
        return [request for request in self.llm.requests if _task(request) == task]


def _task(request: Request) -> str:
    return str(request.json()["response_format"]["json_schema"]["name"])


@asynccontextmanager
async def email_world(
    *,
    search_terms: Handler | None = None,
    compose: Handler | None = None,
    search: Handler | None = None,
    pages: Handler | None = None,
    arxiv: Handler | None = None,
    seconds: float = 10.0,
) -> AsyncIterator[EmailWorld]:
    """What is not given answers well: two terms, two pages about Ada, no paper, a good e-mail.

    `seconds` is the time limit of each provider call.
    """
    ask_terms = search_terms or always(terms("Ada Lovelace engines", "Ada Lovelace publications"))
    ask_email = compose or always(composed(EMAIL))

    def llm(request: Request) -> Reply:
        return ask_terms(request) if _task(request) == "email_search_terms" else ask_email(request)

    async with AsyncExitStack() as stack:
        llm_server = await stack.enter_async_context(serve(llm))
        page_server = await stack.enter_async_context(serve(pages or always(html(f"<article><p>{ADA}</p></article>"))))
        links = [f"{page_server.url}/{path}" for path in ("about", "publications")]
        search_server = await stack.enter_async_context(serve(search or always(found(*links))))
        arxiv_server = await stack.enter_async_context(serve(arxiv or always(atom())))
        client = await stack.enter_async_context(provider_client())
        yield EmailWorld(
            llm_server,
            search_server,
            page_server,
            arxiv_server,
            Providers(
                llm=OpenAiLanguageModel(client, llm_server.url, "scripted", timeout=seconds),
                search=SearxngSearch(client, search_server.url, timeout=seconds),
                pages=SafePageReader(AllowList.parse("127.0.0.1"), FetchLimits(seconds=seconds)),
                websites=SafePageFetcher(),
                arxiv=AtomPaperSource(client, arxiv_server.url, RequestSpacing(None, gap=0.0), timeout=seconds),
                images=EmbeddedImageMaker(),
                embedder=EmbeddedEmbedder(384),
                messengers={},
            ),
        )


def entered(outcome: LocalOutcome) -> Sequence[str]:
    """The steps that a client would have seen as `current_step`, in order."""
    return list(dict.fromkeys(progress.step for progress in outcome.progress))
