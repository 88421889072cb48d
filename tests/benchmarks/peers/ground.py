"""Where a contender is measured once: a new database, the peer's tables, our queue service if it is us."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.house import House, Workers
from benchmarks.meter import Meter
from benchmarks.peers.contenders import JOBLINE, Contender
from benchmarks.peers.environments import Environments

__all__ = ["AdapterFailed", "Ground", "Player", "database_for", "open_ground"]

_CALL_SECONDS = 180.0


class AdapterFailed(Exception):
    """A command of an adapter failed; the text is what it said."""


@dataclass(frozen=True)
class Player:
    """A contender that is installed, and what it says about itself."""

    contender: Contender
    argv: tuple[str, ...]
    folder: Path
    settings: str
    version: str
    unfinished: str

    @classmethod
    def enter(cls, contender: Contender, environments: Environments, house: House) -> Player:
        """Installs it when need be. Raises Unavailable and AdapterFailed."""
        argv, folder = environments.argv(contender), environments.folder(contender)
        answer = _call((*argv, "info"), folder, house.environ(**contender.environment))
        return cls(contender, argv, folder, **answer)


@dataclass(frozen=True)
class Ground:
    """A contender with an empty store. `services` are its processes besides workers and callers."""

    house: House
    player: Player
    database_url: str
    services: Mapping[str, Sequence[int]]
    _environ: Mapping[str, str]
    _worker_token: str

    def call(self, command: str, *arguments: float) -> dict[str, float]:
        """Runs one command of the adapter to its end. Raises AdapterFailed."""
        argv = (*self.player.argv, command, *map(str, arguments))
        answer: dict[str, float] = _call(argv, self.player.folder, self._environ)
        return answer

    @contextlib.contextmanager
    def workers(self, count: int = 1) -> Iterator[Workers]:
        """Worker processes, killed at the end."""
        environ = {**self._environ, "JOBLINE_TOKEN": self._worker_token}
        with self.house.programs((*self.player.argv, "work"), environ, count, folder=self.player.folder) as workers:
            yield workers

    def meter(self, **processes: Sequence[int]) -> Meter:
        return Meter(self.house, self.database_url, {**self.services, **processes})


@contextlib.contextmanager
def database_for(house: House, player: Player) -> Iterator[str]:
    """The URL of a new database: ours is migrated, the others make their tables themselves."""
    with house.database() if player.contender is JOBLINE else house.empty_database() as url:
        yield url


@contextlib.contextmanager
def open_ground(house: House, player: Player, database_url: str, mode: str) -> Iterator[Ground]:
    """Ends with a checkpoint of what was set up, so that all begin with the same state of the log."""
    environ = house.environ(BENCH_PG_DSN=database_url, BENCH_MODE=mode, **player.contender.environment)
    with contextlib.ExitStack() as stack:
        services, token = {}, ""
        if player.contender is JOBLINE:
            queue = stack.enter_context(house.queue_service(database_url))
            environ |= {"BENCH_QUEUE_ADDRESS": queue.address, "JOBLINE_TOKEN": queue.operator_token}
            services, token = {"service": [queue.pid]}, queue.worker_token
        ground = Ground(house, player, database_url, services, environ, token)
        ground.call("setup")
        with psycopg.connect(house.postgres.superuser_url, autocommit=True) as connection:
            connection.execute("CHECKPOINT")
        yield ground


def _call(argv: tuple[str, ...], folder: Path, environ: Mapping[str, str]) -> Any:
    done = subprocess.run(
        argv, cwd=folder, env=environ, capture_output=True, text=True, timeout=_CALL_SECONDS, check=False
    )
    for line in reversed(done.stdout.splitlines()):
        if line.startswith("RESULT "):
            return json.loads(line.removeprefix("RESULT "))
    raise AdapterFailed(f"{Path(argv[1]).name} {argv[2]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
