"""The chores' settings, and with them which chores there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from croniter import croniter
from redis import Redis

from jobline.runtime import Settings, SettingsError

CLEANUP = "cleanup"
#: The queues that a deployment may leave to a cron instead of the worker's stream, and the most jobs of each call.
PROCESSED = {"ingestion": 3, "vectorization": 2}


@dataclass(frozen=True)
class Config:
    redis_url: str
    queue_addresses: tuple[str, ...]
    worker_addresses: tuple[str, ...]
    #: Of a caller with the role `operator`.
    token: str
    #: The chores by their schedule: a cron string in UTC → their names.
    schedule: dict[str, tuple[str, ...]]

    def connect(self, timeout: float | None = None) -> Redis:
        """A connection to the chores' Redis, opened at its first use. A command may take `timeout` seconds; None: what RQ
        finds right."""
        return Redis.from_url(self.redis_url, socket_connect_timeout=5, socket_timeout=timeout)


def read_config(settings: Settings) -> Config:
    """Raises SettingsError naming the setting and what was expected."""
    endpoints = settings.endpoints
    nowhere = f"no embedded stack is running in {settings.data_dir}"
    config = Config(
        redis_url=settings.require("JOBLINE_REDIS_URL", endpoints.redis_url, nowhere),
        queue_addresses=settings.queue_addresses(),
        worker_addresses=settings.worker_addresses(),
        token=settings.require(
            "JOBLINE_TOKEN", endpoints.operator_token, f"the role operator is needed, and {nowhere}"
        ),
        schedule=_schedule(settings),
    )
    if len(_processed(settings)) and not config.worker_addresses:
        raise SettingsError("JOBLINE_WORKER_ADDRESS is not set: JOBLINE_WORKER_QUEUES leaves work to the chores")
    try:
        config.connect()
    except ValueError:  # its words may hold a part of a password
        raise SettingsError("JOBLINE_REDIS_URL: expected a redis://, rediss:// or unix:// address") from None
    return config


def _schedule(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Chores that are due at the same times are done in one go, side by side."""
    due: dict[str, tuple[str, ...]] = {}
    due[settings.parse("JOBLINE_CLEANUP_CRON", "0 2 * * *", _cron)] = (CLEANUP,)
    if processed := _processed(settings):
        cron = settings.parse("JOBLINE_PROCESS_CRON", "* * * * *", _cron)
        due[cron] = (*due.get(cron, ()), *processed)
    return due


def _processed(settings: Settings) -> Sequence[str]:
    """The queues that the worker's stream does not pull."""
    pulled = settings.items("JOBLINE_WORKER_QUEUES")
    return [queue for queue in PROCESSED if queue not in pulled] if pulled else []


def _cron(text: str) -> str:
    if not croniter.is_valid(text):
        raise ValueError(f'expected a cron string such as "0 2 * * *", got {text!r}')
    return text
