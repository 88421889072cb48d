"""What `jobline up` reads from the environment, checked once, before anything is started."""

from collections.abc import Mapping
from dataclasses import dataclass

from jobline.runtime import Settings, SettingsError
from jobline_local.paths import DataDir

ROLES = ("gateway", "worker", "operator", "producer")

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}


@dataclass(frozen=True)
class StackSettings:
    """Settings of one embedded stack; names and defaults are those of the product's settings table."""

    environ: Mapping[str, str]
    """The environment that every child inherits; `data` in it is absolute."""
    data: DataDir
    host: str
    gateway_port: int
    queue_port: int
    worker_port: int
    database_url: str
    """Empty: start the embedded one."""
    redis_url: str
    """Empty: start the embedded one."""
    with_chores: bool
    service_tokens: Mapping[str, str] | None
    """Role → token as configured; None lets the stack generate them."""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "StackSettings":
        """Reads and checks `environ`.

        Raises:
            SettingsError: a bad port, a JOBLINE_CRON that is neither on nor off, a service-token list without one of the
                roles, or production without such a list.
        """
        settings = Settings(environ)
        data = DataDir.at(settings.data_dir)
        return cls(
            environ={**environ, "JOBLINE_DATA_DIR": str(data.root)},
            data=data,
            host=settings.text("JOBLINE_HOST", "127.0.0.1"),
            gateway_port=settings.port("JOBLINE_GATEWAY_PORT", 8080),
            queue_port=settings.port("JOBLINE_QUEUE_PORT", 50051),
            worker_port=settings.port("JOBLINE_WORKER_PORT", 50052),
            database_url=settings.text("JOBLINE_DATABASE_URL"),
            redis_url=settings.text("JOBLINE_REDIS_URL"),
            with_chores=settings.choice("JOBLINE_CRON", ("on", "off"), "on") == "on",
            service_tokens=_service_tokens(settings),
        )

    @property
    def dial_host(self) -> str:
        """The address under which this machine reaches a service that listens on `host`."""
        return _ANY_ADDRESS.get(self.host, self.host)


def _service_tokens(settings: Settings) -> Mapping[str, str] | None:
    """The first token of every role in JOBLINE_SERVICE_TOKENS (`name:role:token`, comma-separated)."""
    entries = settings.items("JOBLINE_SERVICE_TOKENS")
    if not entries:
        if settings.production:
            raise SettingsError("JOBLINE_SERVICE_TOKENS is not set: production does not run on generated tokens")
        return None
    tokens: dict[str, str] = {}
    for entry in entries:
        name, role, token = [*entry.split(":", 2), "", ""][:3]
        if not (name and role and token):
            raise SettingsError("JOBLINE_SERVICE_TOKENS: expected name:role:token in every entry")
        tokens.setdefault(role, token)
    if missing := [role for role in ROLES if role not in tokens]:
        raise SettingsError(f"JOBLINE_SERVICE_TOKENS: `jobline up` needs every role; missing: {', '.join(missing)}")
    return tokens
