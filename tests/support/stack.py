"""One embedded PostgreSQL and one Valkey for a whole test run, and a database of its own for each test."""

import asyncio
import contextlib
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from jobline_local.child import Child
from jobline_local.clean import clean
from jobline_local.paths import DataDir
from jobline_local.postgres import Postgres
from jobline_local.secrets import load_or_create
from jobline_local.servers import embedded_servers
from jobline_local.service import Service
from jobline_local.valkey import Valkey
from support.processes import clean_environ

_TEMPLATE = "migrated_template"


@contextlib.contextmanager
def scratch_data_dir(name: str = "data") -> Iterator[DataDir]:
    """A data directory that goes with all that the servers left behind.

    It lies in a folder that other accounts may pass: below pytest's own, root's servers would be relocated.
    """
    folder = Path(tempfile.mkdtemp(prefix="jobline-test-"))
    folder.chmod(0o711)
    data = DataDir.at(folder / name)
    try:
        yield data
    finally:
        clean(data)
        shutil.rmtree(folder)


@contextlib.contextmanager
def running(service: Service) -> Iterator[Child]:
    """A server that answers."""
    asyncio.run(service.prepare())
    child = Child(service.program())
    try:
        asyncio.run(asyncio.wait_for(service.ready(), 60))
        yield child
    finally:
        asyncio.run(child.stop())


@dataclass(frozen=True)
class EmbeddedPair:
    """The two servers of a test run."""

    postgres: Postgres
    valkey: Valkey

    @property
    def superuser_url(self) -> str:
        return self.postgres.superuser_url

    @property
    def redis_url(self) -> str:
        return self.valkey.url


@contextlib.contextmanager
def embedded_pair() -> Iterator[EmbeddedPair]:
    """Both servers on a scratch data directory."""
    with scratch_data_dir() as data:
        data.create()
        servers = embedded_servers(data, load_or_create(data.secrets_file), postgres=True, valkey=True)
        assert servers.postgres is not None
        assert servers.valkey is not None
        with running(servers.postgres), running(servers.valkey):
            yield EmbeddedPair(servers.postgres, servers.valkey)


class Databases:
    """Makes databases as copies of one that has been migrated once."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._has_template = False

    @contextlib.contextmanager
    def fresh(self) -> Iterator[str]:
        """The URL of a migrated database that is dropped afterwards, whoever is still connected to it."""
        self._make_template()
        with self._copy_of(_TEMPLATE) as url:
            yield url

    @contextlib.contextmanager
    def empty(self) -> Iterator[str]:
        """The URL of a database without tables, with the extension `vector`."""
        with self._copy_of("jobline") as url:
            yield url

    @contextlib.contextmanager
    def _copy_of(self, template: str) -> Iterator[str]:
        name = f"test_{uuid.uuid4().hex}"
        self._execute("CREATE DATABASE {} TEMPLATE {} OWNER jobline", name, template)
        try:
            yield self._url_of(name)
        finally:
            self._execute("DROP DATABASE {} WITH (FORCE)", name)

    def _make_template(self) -> None:
        if self._has_template:
            return
        self._execute("CREATE DATABASE {} TEMPLATE {} OWNER jobline", _TEMPLATE, "jobline")
        subprocess.run(
            (sys.executable, "-m", "jobline_queue", "migrate"),
            env=clean_environ(JOBLINE_DATABASE_URL=self._url_of(_TEMPLATE)),
            check=True,
            timeout=60,
        )
        self._has_template = True

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(self._postgres.superuser_url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _url_of(self, name: str) -> str:
        return urlunsplit(urlsplit(self._postgres.url)._replace(path=f"/{name}"))
