"""Builds the embedded servers of a data directory: which binaries, which folders, which ports."""

from dataclasses import dataclass
from pathlib import Path

from jobline_local.binaries import postgres_binaries, valkey_binaries
from jobline_local.paths import DataDir
from jobline_local.ports import free_port
from jobline_local.postgres import Postgres
from jobline_local.secrets import Secrets
from jobline_local.server_user import server_user
from jobline_local.valkey import Valkey


@dataclass(frozen=True)
class EmbeddedServers:
    """The servers this stack starts itself; None stands for one that a setting names instead."""

    postgres: Postgres | None
    valkey: Valkey | None


def embedded_servers(data: DataDir, secrets: Secrets, *, postgres: bool, valkey: bool) -> EmbeddedServers:
    """Places the wanted servers' programs and folders. Nothing is started.

    Raises:
        StackError: a program is not installed, or the folders belong to another data directory.
    """
    user = server_user()
    wanted = [find() for find, wish in ((postgres_binaries, postgres), (valkey_binaries, valkey)) if wish]
    if not wanted:
        return EmbeddedServers(None, None)
    home = data.place_servers(user, reachable=all(binaries.reachable_for(user) for binaries in wanted))
    folders = iter([binaries.usable_by(user, home) for binaries in wanted])

    def log(name: str) -> Path:
        return data.logs / f"{name}.log"

    return EmbeddedServers(
        Postgres(next(folders), home / "postgres", free_port(), secrets, log("postgres"), user) if postgres else None,
        Valkey(next(folders), home / "valkey", free_port(), secrets, log("valkey"), user) if valkey else None,
    )
