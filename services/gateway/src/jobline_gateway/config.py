"""What the gateway is told by its environment.

Everything is read and checked once, before anything is opened, so that a wrong setting stops the start with its name
and never shows up as a failing request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from jobline.runtime import DEVELOPMENT_JWT_SECRET, Settings, SettingsError

__all__ = ["SETTINGS", "GatewayConfig", "read_config"]

#: RFC 7518, section 3.2: an HS256 key must be at least as long as the hash, 32 bytes.
MIN_SECRET_CHARACTERS = 32

#: Name and meaning of every setting that the gateway reads, for `jobline-gateway serve --help`.
SETTINGS: tuple[tuple[str, str], ...] = (
    ("JOBLINE_ENV", "development (default) or production; production refuses missing or default secrets"),
    ("JOBLINE_DATA_DIR", "folder of the embedded stack, read for its endpoints.json (default .jobline)"),
    ("JOBLINE_HOST", "listen address (default 127.0.0.1)"),
    ("JOBLINE_GATEWAY_PORT", "listen port (default 8080); 0 picks a free one"),
    ("JOBLINE_PUBLIC_URL", "the address that browsers use: links begin with it, cookie requests from it are our own"),
    ("JOBLINE_QUEUE_ADDRESS", "queue services to call, comma-separated, tried in turn (default: the embedded one)"),
    (
        "JOBLINE_WORKER_ADDRESS",
        "worker services to call for process-now and query embedding, comma-separated (default: the embedded one)",
    ),
    ("JOBLINE_TOKEN", "service token of role gateway (default: the embedded stack's)"),
    ("JOBLINE_JWT_SECRET", "secret of HS256 bearer tokens; production: at least 32 characters"),
    ("JOBLINE_JWKS_URL", "where the RS256/ES256 keys of bearer tokens are published; replaces the secret"),
    ("JOBLINE_JWT_AUDIENCE", "required audience of bearer tokens; unset: not checked"),
    ("CRON_SECRET", "bearer secret of /api/workers/*; unset: production refuses all calls, development none"),
)


@dataclass(frozen=True)
class GatewayConfig:
    """The gateway's settings, checked. `jwks_url`, `audience`, `public_url`, `worker_addresses` and `cron_secret` are
    empty when unset: without a worker service, process-now and search answer 503."""

    queue_addresses: tuple[str, ...]
    service_token: str = field(repr=False)
    jwt_secret: str = field(repr=False, default=DEVELOPMENT_JWT_SECRET)
    jwks_url: str = ""
    audience: str = ""
    public_url: str = ""
    host: str = "127.0.0.1"
    port: int = 8080
    worker_addresses: tuple[str, ...] = ()
    cron_secret: str = field(repr=False, default="")
    production: bool = False


def read_config(environ: Mapping[str, str] | None = None) -> GatewayConfig:
    """The configuration in `environ` (the process environment by default). Raises SettingsError, naming the setting."""
    settings = Settings(environ)
    jwks_url = settings.parse("JOBLINE_JWKS_URL", "", _http_url)
    return GatewayConfig(
        queue_addresses=settings.queue_addresses(),
        service_token=settings.require(
            "JOBLINE_TOKEN", settings.endpoints.gateway_token, "the gateway calls the queue service with it"
        ),
        jwt_secret=_jwt_secret(settings, jwks_url),
        jwks_url=jwks_url,
        audience=settings.text("JOBLINE_JWT_AUDIENCE"),
        public_url=settings.parse("JOBLINE_PUBLIC_URL", "", _http_url),
        host=settings.text("JOBLINE_HOST", "127.0.0.1"),
        port=settings.port("JOBLINE_GATEWAY_PORT", 8080),
        worker_addresses=settings.worker_addresses(),
        cron_secret=settings.text("CRON_SECRET"),
        production=settings.production,
    )


def _jwt_secret(settings: Settings, jwks_url: str) -> str:
    secret = settings.text("JOBLINE_JWT_SECRET")
    if not settings.production:
        return secret or DEVELOPMENT_JWT_SECRET
    if not secret and not jwks_url:
        raise SettingsError(
            "JOBLINE_JWT_SECRET is not set: JOBLINE_ENV=production needs it, or JOBLINE_JWKS_URL, to verify tokens"
        )
    if secret == DEVELOPMENT_JWT_SECRET:
        raise SettingsError("JOBLINE_JWT_SECRET: JOBLINE_ENV=production refuses the development secret")
    if secret and len(secret) < MIN_SECRET_CHARACTERS:
        raise SettingsError(
            f"JOBLINE_JWT_SECRET: expected at least {MIN_SECRET_CHARACTERS} characters with JOBLINE_ENV=production, "
            f"got {len(secret)}"
        )
    return secret


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"expected an http or https address, got {value!r}")
    return value.rstrip("/")
