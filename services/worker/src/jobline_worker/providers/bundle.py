"""Chooses the providers by the settings, opens them together and closes them together."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from jobline_worker.config import ProviderConfig
from jobline_worker.providers.arxiv import PaperSource
from jobline_worker.providers.arxiv.atom import AtomPaperSource
from jobline_worker.providers.arxiv.embedded import CorpusPaperSource
from jobline_worker.providers.arxiv.spacing import RequestSpacing
from jobline_worker.providers.corpus import Corpus
from jobline_worker.providers.embeddings import Embedder
from jobline_worker.providers.embeddings.embedded import EmbeddedEmbedder
from jobline_worker.providers.embeddings.openai import OpenAiEmbedder
from jobline_worker.providers.http import provider_client
from jobline_worker.providers.images import ImageMaker
from jobline_worker.providers.images.embedded import EmbeddedImageMaker
from jobline_worker.providers.images.openai import OpenAiImageMaker
from jobline_worker.providers.llm import LanguageModel
from jobline_worker.providers.llm.embedded import EmbeddedLanguageModel, EmbeddedTask
from jobline_worker.providers.llm.openai import OpenAiLanguageModel
from jobline_worker.providers.messages import EMAIL, TEXT_CHANNELS, Messenger
from jobline_worker.providers.messages.config import MessageConfig
from jobline_worker.providers.messages.outbox import Outbox
from jobline_worker.providers.messages.sendgrid import SendGridMessenger
from jobline_worker.providers.messages.smtp import SmtpMessenger
from jobline_worker.providers.messages.twilio import TwilioMessenger
from jobline_worker.providers.pages import PageFetcher, PageReader
from jobline_worker.providers.pages.embedded import CorpusPages
from jobline_worker.providers.pages.fetcher import WEBSITE_LIMITS, SafePageFetcher
from jobline_worker.providers.pages.reader import SafePageReader
from jobline_worker.providers.pages.transport import PinnedTransport, resolve_with_system
from jobline_worker.providers.search import SearchProvider
from jobline_worker.providers.search.embedded import CorpusSearch
from jobline_worker.providers.search.searxng import SearxngSearch

__all__ = ["Providers", "open_providers"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Providers:
    """What the pipelines are given. Pages are read from where the search found them: the web or the corpus. Websites that
    users name are always fetched from the web.

    `messengers` has one for every channel of messages.
    """

    llm: LanguageModel
    search: SearchProvider
    pages: PageReader
    websites: PageFetcher
    arxiv: PaperSource
    images: ImageMaker
    embedder: Embedder
    messengers: Mapping[str, Messenger]


@asynccontextmanager
async def open_providers(
    config: ProviderConfig, embedded_tasks: Mapping[str, EmbeddedTask]
) -> AsyncIterator[Providers]:
    """The configured providers; their connections are closed at the end. Makes no call itself.

    `embedded_tasks` is what the embedded language model can do: every pipeline brings its own.
    """
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(provider_client())
        corpus = _corpus(config)
        yield Providers(
            llm=_language_model(config, client, embedded_tasks),
            search=SearxngSearch(client, config.search_url) if config.search_url else CorpusSearch(corpus),
            pages=SafePageReader(config.allow_private) if config.search_url else CorpusPages(corpus),
            websites=SafePageFetcher(config.allow_private, WEBSITE_LIMITS),
            arxiv=_paper_source(config, client, corpus, stack),
            images=await _image_maker(config, client, stack),
            embedder=_embedder(config, client),
            messengers=_messengers(config.messages, client),
        )


def _corpus(config: ProviderConfig) -> Corpus:
    """The local corpus; not read where nothing asks it."""
    return Corpus.load(None if config.search_url and config.arxiv_url else config.corpus_dir)


def _language_model(
    config: ProviderConfig, client: httpx.AsyncClient, tasks: Mapping[str, EmbeddedTask]
) -> LanguageModel:
    if not config.llm_url:
        return EmbeddedLanguageModel(tasks)
    return OpenAiLanguageModel(client, config.llm_url, config.llm_model, config.llm_api_key)


def _paper_source(
    config: ProviderConfig, client: httpx.AsyncClient, corpus: Corpus, stack: AsyncExitStack
) -> PaperSource:
    if not config.arxiv_url:
        return CorpusPaperSource(corpus)
    redis = _redis(config.redis_url) if config.redis_url else None
    if redis is not None:
        stack.push_async_callback(redis.aclose)
    return AtomPaperSource(client, config.arxiv_url, RequestSpacing(redis))


async def _image_maker(config: ProviderConfig, client: httpx.AsyncClient, stack: AsyncExitStack) -> ImageMaker:
    if not config.images_url:
        return EmbeddedImageMaker()
    tls = httpx.create_ssl_context(trust_env=False)
    transport = PinnedTransport(config.allow_private, resolve_with_system, tls)
    pictures = await stack.enter_async_context(provider_client(transport))
    return OpenAiImageMaker(client, pictures, config.images_url, config.images_model, config.images_api_key)


def _embedder(config: ProviderConfig, client: httpx.AsyncClient) -> Embedder:
    if not config.embeddings_url:
        return EmbeddedEmbedder(config.embedding_dimensions)
    url, model = config.embeddings_url, config.embeddings_model
    return OpenAiEmbedder(client, url, model, config.embedding_dimensions, config.embeddings_api_key)


def _messengers(config: MessageConfig, client: httpx.AsyncClient) -> Mapping[str, Messenger]:
    """Who serves each channel. SendGrid goes before SMTP: who sets both has moved on to it."""
    outbox = Outbox()
    if config.twilio and not config.twilio.senders:
        log.warning("JOBLINE_TWILIO_FROM is not set: Twilio refuses what has no sender")
    text = TwilioMessenger(client, config.twilio) if config.twilio else outbox
    return {EMAIL: _mail(config, client) or outbox, **dict.fromkeys(TEXT_CHANNELS, text)}


def _mail(config: MessageConfig, client: httpx.AsyncClient) -> Messenger | None:
    if config.sendgrid:
        return SendGridMessenger(client, config.sendgrid, config.sender)
    if not config.smtp:
        return None
    if config.smtp.exposes_password:
        log.warning("JOBLINE_SMTP_URL sends its password unencrypted to another host; ?starttls=1 forbids that")
    return SmtpMessenger(config.smtp, config.sender)


def _redis(url: str) -> Redis:
    """A client that gives up fast: without Redis the spacing goes on alone."""
    return Redis.from_url(url, socket_connect_timeout=1.0, socket_timeout=2.0, retry=Retry(NoBackoff(), 0))
