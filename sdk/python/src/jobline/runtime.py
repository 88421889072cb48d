"""What every Jobline process needs to start: settings, endpoints, logs and a gRPC server.

The three services and the command line share these few things and nothing else, so that a setting is spelled, checked
and explained in the same way everywhere.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

__all__ = [
    "DEVELOPMENT_JWT_SECRET",
    "GRPC_OPTIONS",
    "Endpoints",
    "Settings",
    "SettingsError",
    "configure_logging",
    "read_endpoints",
]

T = TypeVar("T")

#: Signs and verifies development tokens when JOBLINE_JWT_SECRET is unset. Production refuses it.
DEVELOPMENT_JWT_SECRET = "jobline-development-secret-not-for-production"

#: Message size and keepalive of every channel and server. 4 MiB is the cap of the contract; servers must allow pings
#: every 10 s, or idle work streams are answered `too_many_pings`.
GRPC_OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_send_message_length", 4 * 1024 * 1024),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.keepalive_time_ms", 25_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
]


class SettingsError(Exception):
    """A setting is missing or wrong. The message names it and says what was expected."""


@dataclass(frozen=True)
class Endpoints:
    """What `{data dir}/endpoints.json` says about the embedded stack that is running; absent parts are empty."""

    gateway: str = ""
    queue: str = ""
    worker: str = ""
    database_url: str = ""
    redis_url: str = ""
    gateway_token: str = ""
    operator_token: str = ""
    producer_token: str = ""
    worker_token: str = ""


def read_endpoints(data_dir: Path) -> Endpoints:
    """The endpoints of the embedded stack in `data_dir`; empty ones when none is running."""
    try:
        content = json.loads((data_dir / "endpoints.json").read_text("utf-8"))
    except FileNotFoundError:
        return Endpoints()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{data_dir / 'endpoints.json'} cannot be read: {error}") from error
    known = {name: str(content[name]) for name in Endpoints.__dataclass_fields__ if name in content}
    return Endpoints(**known)


class Settings:
    """Reads settings from an environment, falling back to the embedded stack's endpoints.

    Every reader names the setting in its error. An empty value counts as unset.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self.data_dir = Path(self.text("JOBLINE_DATA_DIR", ".jobline"))
        self.production = self.choice("JOBLINE_ENV", ("development", "production"), "development") == "production"
        self._endpoints: Endpoints | None = None

    @property
    def endpoints(self) -> Endpoints:
        if self._endpoints is None:
            self._endpoints = read_endpoints(self.data_dir)
        return self._endpoints

    def text(self, name: str, default: str = "") -> str:
        return self._environ.get(name, "").strip() or default

    def require(self, name: str, fallback: str, why: str) -> str:
        """The setting, or `fallback`; an error that says `why` it is needed when both are empty."""
        value = self.text(name, fallback)
        if not value:
            raise SettingsError(f"{name} is not set: {why}")
        return value

    def parse(self, name: str, default: T, convert: Callable[[str], T]) -> T:
        """The setting through `convert`, whose ValueError becomes a SettingsError that names the setting."""
        value = self.text(name)
        if not value:
            return default
        try:
            return convert(value)
        except ValueError as error:
            raise SettingsError(f"{name}: {error}") from error

    def port(self, name: str, default: int) -> int:
        def convert(value: str) -> int:
            if not value.isascii() or not value.isdigit() or int(value) > 65535:
                raise ValueError(f"expected a port number from 0 to 65535, got {value!r}")
            return int(value)

        return self.parse(name, default, convert)

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        def convert(value: str) -> str:
            if value not in allowed:
                raise ValueError(f"expected one of {', '.join(allowed)}, got {value!r}")
            return value

        return self.parse(name, default, convert)

    def items(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A comma-separated list, blanks around and empty items dropped."""
        found = tuple(item.strip() for item in self.text(name).split(",") if item.strip())
        return found or default

    def queue_addresses(self) -> tuple[str, ...]:
        """The queue services to call, in the order to try them."""
        found = self._addresses("JOBLINE_QUEUE_ADDRESS", self.endpoints.queue)
        if not found:
            raise SettingsError(
                "JOBLINE_QUEUE_ADDRESS is not set and no embedded stack is running in "
                f"{self.data_dir} (JOBLINE_DATA_DIR): start one with `jobline up`, or set the address"
            )
        return found

    def worker_addresses(self) -> tuple[str, ...]:
        """The worker services to call, in the order to try them; none where neither the setting nor an embedded stack
        names one, for few callers need them."""
        return self._addresses("JOBLINE_WORKER_ADDRESS", self.endpoints.worker)

    def _addresses(self, name: str, embedded: str) -> tuple[str, ...]:
        return self.items(name, (embedded,) if embedded else ())


class _EventFormatter(logging.Formatter):
    """One line an event: time, level, service, logger, message; an exception follows on its own lines, indented."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        message = record.getMessage().replace("\n", "\\n")
        line = f"{time} {record.levelname:<7} {self._service} {record.name} {message}"
        if record.exc_info:
            line += "\n  " + self.formatException(record.exc_info).replace("\n", "\n  ")
        return line


def configure_logging(service: str, level: int = logging.INFO) -> None:
    """Sends the logs of this process to standard error, one line an event, with level and service name."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_EventFormatter(service))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("httpx", "httpcore", "alembic", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
