"""The worker's settings, read once at the start and checked before anything is opened.

Every setting is optional: what is unset falls back to an embedded provider or to the embedded stack. A wrong one stops
the start-up with its name and what was expected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jobline.embeddings import DEFAULT_DIMENSIONS, read_dimensions
from jobline.runtime import Settings
from jobline.service_tokens import ServiceToken, read_service_tokens
from jobline_worker.providers.http import http_url
from jobline_worker.providers.messages.config import MessageConfig
from jobline_worker.providers.pages.addresses import AllowList

__all__ = ["DEFAULT_QUEUES", "PUBLIC_ARXIV_URL", "ProviderConfig", "WorkerConfig", "shipped_corpus"]

#: The queues of the five surfaces, which the worker's stream pulls unless JOBLINE_WORKER_QUEUES says otherwise.
DEFAULT_QUEUES = ("email_default", "communications", "amb-jobs", "ingestion", "vectorization")

#: Asked when a real search provider is configured and no other arXiv address is given.
PUBLIC_ARXIV_URL = "https://export.arxiv.org/api/query"


@dataclass(frozen=True)
class ProviderConfig:
    """Which provider answers each kind of call. An empty address means the embedded one."""

    llm_url: str = ""
    llm_model: str = "default"
    llm_api_key: str = field(default="", repr=False)
    search_url: str = ""
    corpus_dir: Path | None = None
    arxiv_url: str = ""
    images_url: str = ""
    images_model: str = ""
    images_api_key: str = field(default="", repr=False)
    embeddings_url: str = ""
    embeddings_model: str = "default"
    embeddings_api_key: str = field(default="", repr=False)
    #: How many numbers a vector has.
    embedding_dimensions: int = DEFAULT_DIMENSIONS
    redis_url: str = field(default="", repr=False)
    allow_private: AllowList = field(default_factory=AllowList)
    messages: MessageConfig = field(default_factory=MessageConfig)

    @classmethod
    def read(cls, settings: Settings) -> ProviderConfig:
        """Reads the provider settings. Raises SettingsError that names the setting and what was expected."""
        search_url = settings.parse("JOBLINE_SEARCH_URL", "", http_url)
        return cls(
            llm_url=settings.parse("JOBLINE_LLM_URL", "", http_url),
            llm_model=settings.text("JOBLINE_LLM_MODEL", "default"),
            llm_api_key=settings.text("JOBLINE_LLM_API_KEY"),
            search_url=search_url,
            corpus_dir=settings.parse("JOBLINE_CORPUS_DIR", shipped_corpus(), _folder),
            arxiv_url=settings.parse("JOBLINE_ARXIV_URL", PUBLIC_ARXIV_URL if search_url else "", http_url),
            images_url=settings.parse("JOBLINE_IMAGES_URL", "", http_url),
            images_model=settings.text("JOBLINE_IMAGES_MODEL"),
            images_api_key=settings.text("JOBLINE_IMAGES_API_KEY"),
            embeddings_url=settings.parse("JOBLINE_EMBEDDINGS_URL", "", http_url),
            embeddings_model=settings.text("JOBLINE_EMBEDDINGS_MODEL", "default"),
            embeddings_api_key=settings.text("JOBLINE_EMBEDDINGS_API_KEY"),
            embedding_dimensions=read_dimensions(settings),
            redis_url=settings.parse("JOBLINE_REDIS_URL", settings.endpoints.redis_url, _redis_url),
            allow_private=settings.parse("JOBLINE_ALLOW_PRIVATE_URLS", AllowList(), AllowList.parse),
            messages=MessageConfig.read(settings),
        )


@dataclass(frozen=True)
class WorkerConfig:
    """Where the worker listens and to whom, which queue service it serves, and its providers."""

    queue_addresses: tuple[str, ...]
    token: str = field(repr=False)
    #: Who may call the worker; in development, without an embedded stack, it may be nobody.
    callers: tuple[ServiceToken, ...]
    host: str
    port: int
    queues: tuple[str, ...]
    providers: ProviderConfig

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> WorkerConfig:
        """Reads the process environment, or `environ`. Raises SettingsError for a missing or wrong setting."""
        settings = Settings(environ)
        why = "the worker signs in to the queue service with it; start `jobline up`, or set it"
        return cls(
            queue_addresses=settings.queue_addresses(),
            token=settings.require("JOBLINE_TOKEN", settings.endpoints.worker_token, why),
            callers=read_service_tokens(settings),
            host=settings.text("JOBLINE_HOST", "127.0.0.1"),
            port=settings.port("JOBLINE_WORKER_PORT", 50052),
            queues=settings.items("JOBLINE_WORKER_QUEUES", DEFAULT_QUEUES),
            providers=ProviderConfig.read(settings),
        )


def shipped_corpus() -> Path | None:
    """The sample corpus: inside an installed package, or in the checkout that the package runs from."""
    package = Path(__file__).resolve().parent
    places = [package / "samples" / "corpus", *(above / "deploy" / "samples" / "corpus" for above in package.parents)]
    return next((place for place in places if place.is_dir()), None)


def _redis_url(value: str) -> str:
    if not value.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("expected a redis://, rediss:// or unix:// address")
    return value


def _folder(value: str) -> Path | None:
    folder = Path(value)
    if not folder.is_dir():
        raise ValueError(f"expected a folder that exists, got {value!r}")
    return folder
