"""The queue service's settings, read and checked once at the start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from jobline.embeddings import read_dimensions
from jobline.runtime import Settings, SettingsError
from jobline.service_tokens import ServiceToken, read_service_tokens
from jobline_queue.core.policy import PolicyError, QueuePolicy, load_policies


@dataclass(frozen=True)
class Config:
    database_url: str
    host: str
    port: int
    tokens: tuple[ServiceToken, ...]
    policies: dict[str, QueuePolicy]
    free_credits: int
    #: Seconds of silence after which the database ends a frozen service's session, and a standby takes over.
    take_over_after: float
    #: Worker services to ask for what is due now, and the token for it; none: nobody is asked.
    worker_addresses: tuple[str, ...]
    worker_token: str
    #: Must answer before a content job is created or retried; empty: there is none.
    broker_url: str
    #: How many numbers a vector has, as the database's first migration has fixed it.
    embedding_dimensions: int


def database_url(settings: Settings) -> str:
    return settings.require(
        "JOBLINE_DATABASE_URL",
        settings.endpoints.database_url,
        f"no embedded stack is running in {settings.data_dir}; set it to postgresql://user:password@host:5432/name",
    )


def read_config(settings: Settings) -> Config:
    """Raises SettingsError naming the setting and what was expected."""
    return Config(
        database_url=database_url(settings),
        host=settings.text("JOBLINE_HOST", "127.0.0.1"),
        port=settings.port("JOBLINE_QUEUE_PORT", 50051),
        tokens=_tokens(settings),
        policies=_policies(settings.text("JOBLINE_QUEUES_FILE")),
        free_credits=settings.parse("JOBLINE_FREE_CREDITS", 5, _credits),
        take_over_after=settings.parse("JOBLINE_TAKE_OVER_AFTER", 15.0, _silence),
        worker_addresses=settings.worker_addresses(),
        worker_token=settings.text("JOBLINE_TOKEN", settings.endpoints.operator_token),
        # Of the environment alone: the embedded one is for the workers, and nothing here depends on it.
        broker_url=settings.parse("JOBLINE_REDIS_URL", "", _redis_url),
        embedding_dimensions=read_dimensions(settings),
    )


def _tokens(settings: Settings) -> tuple[ServiceToken, ...]:
    tokens = read_service_tokens(settings)
    if not tokens:
        raise SettingsError("JOBLINE_SERVICE_TOKENS is not set: expected name:role:token, comma-separated")
    return tokens


def _policies(path: str) -> dict[str, QueuePolicy]:
    if not path:
        return load_policies()
    try:
        return load_policies(Path(path).read_text("utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"JOBLINE_QUEUES_FILE: {path} cannot be read: {error}") from error
    except PolicyError as error:
        raise SettingsError(f"JOBLINE_QUEUES_FILE: {error}") from error


def _credits(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 1_000_000:
        raise ValueError(f"expected a whole number from 0 to 1000000, got {text!r}")
    return int(text)


def _redis_url(text: str) -> str:
    try:
        whole = text.startswith(("redis://", "rediss://", "unix://")) and urlsplit(text).port != 0
    except ValueError:  # its words may hold a part of a password
        whole = False
    if not whole:
        raise ValueError("expected a redis://, rediss:// or unix:// address")
    return text


def _silence(text: str) -> float:
    if not text.isascii() or not text.isdigit() or not 3 <= int(text) <= 300:
        raise ValueError(f"expected a whole number of seconds from 3 to 300, got {text!r}")
    return float(text)
