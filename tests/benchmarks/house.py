"""Everything a measurement runs on, as real processes: PostgreSQL once, the rest anew for every repetition.

All of them are children that the kernel ends with this process, however that dies (`jobline_local.child`), and each is
stopped in order before that. Nothing is shared with a stack that may run on the same machine.
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg

from benchmarks.start_log import StartLog
from benchmarks.workload import POLICIES, PREFETCH, QUEUE, SLOTS
from jobline.client import AsyncJoblineClient
from jobline_local.child import Child, Program
from jobline_local.jobline_services import GrpcService, HttpService
from jobline_local.ports import free_port
from jobline_local.postgres import Postgres
from jobline_local.secrets import load_or_create
from jobline_local.servers import embedded_servers
from support.eventually import eventually_blocking
from support.processes import clean_environ, living
from support.stack import Databases, running, scratch_data_dir

__all__ = ["SERVICE_TOKENS", "GatewayProcess", "House", "QueueProcess", "Workers", "open_house"]

_TOKENS = {role: f"{role}-token-of-the-benchmark" for role in ("operator", "worker", "gateway")}
#: JOBLINE_SERVICE_TOKENS of every service.
SERVICE_TOKENS = ",".join(f"{role}:{role}:{token}" for role, token in _TOKENS.items())
_ACTIVE = "jobline.v1.JobService"
_TESTS = Path(__file__).parents[1]
_VACUUMING = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'"
_COMPLAINTS = (" WARNING ", " ERROR ", " CRITICAL ", "Traceback")


@dataclass(frozen=True)
class QueueProcess:
    """A queue service that answers."""

    address: str
    pid: int
    operator_token: str = _TOKENS["operator"]
    worker_token: str = _TOKENS["worker"]

    def client(self) -> AsyncJoblineClient:
        return AsyncJoblineClient(self.address, self.operator_token, deadline=60.0)

    async def active(self) -> None:
        """Returns once it is."""
        await GrpcService("queue", "jobline_queue", self.address, {}, None, health_names=(_ACTIVE,)).ready()


@dataclass(frozen=True)
class GatewayProcess:
    """A gateway that answers."""

    url: str
    pid: int


@dataclass(frozen=True)
class Workers:
    """Worker processes that were started; they connect a moment later."""

    children: tuple[Child, ...]
    log: StartLog

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(child.pid for child in self.children)

    def are_alive(self) -> bool:
        return len(living([psutil.Process(pid) for pid in self.pids])) == len(self.children)

    def last_words(self) -> str:
        """The end of what each wrote."""
        logs = [child.program.log for child in self.children]
        return "\n".join(log.read_text(errors="replace")[-2000:] for log in logs if log)


@dataclass
class House:
    """One PostgreSQL, and what is started on it."""

    postgres: Postgres
    postmaster: int
    logs: Path
    _databases: Databases = field(init=False)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self._databases = Databases(self.postgres)

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """The URL of an empty, migrated database."""
        with self._databases.fresh() as url:
            yield url

    @contextlib.contextmanager
    def empty_database(self) -> Iterator[str]:
        """The URL of a database without tables."""
        with self._databases.empty() as url:
            yield url

    @contextlib.contextmanager
    def queue_service(self, database_url: str) -> Iterator[QueueProcess]:
        """A queue service with the policies of the workload."""
        with self._queue(database_url, _ACTIVE) as queue:
            yield queue

    @contextlib.contextmanager
    def standby(self, database_url: str) -> Iterator[QueueProcess]:
        """One that waits for the active service's end."""
        with self._queue(database_url, "") as queue:
            yield queue

    @contextlib.contextmanager
    def gateway(self, queue: QueueProcess) -> Iterator[GatewayProcess]:
        """A gateway in front of the queue service."""
        port = free_port()
        environ = self.environ(
            JOBLINE_GATEWAY_PORT=str(port), JOBLINE_QUEUE_ADDRESS=queue.address, JOBLINE_TOKEN=_TOKENS["gateway"]
        )
        url = f"http://127.0.0.1:{port}"
        with running(HttpService("gateway", "jobline_gateway", url, environ, self._log("gateway"))) as child:
            yield GatewayProcess(url, child.pid)

    @contextlib.contextmanager
    def workers(
        self, queue: QueueProcess, count: int = 1, *, of: str = QUEUE, slots: int = SLOTS, prefetch: int = PREFETCH
    ) -> Iterator[Workers]:
        """Worker processes of the queue named `of`, all with one log of starts."""
        argv = (sys.executable, "-m", "benchmarks.noop_worker", queue.address, of, str(slots), str(prefetch))
        with self.programs(argv, self.environ(JOBLINE_TOKEN=queue.worker_token), count) as workers:
            yield workers

    @contextlib.contextmanager
    def programs(
        self, argv: tuple[str, ...], environ: Mapping[str, str], count: int = 1, *, folder: Path | None = None
    ) -> Iterator[Workers]:
        """Processes of any program that appends its starts to the file $BENCH_LOG. They are told to end, then made to."""
        log = StartLog(self.logs / f"starts-{next(self._numbers)}")
        environ = {**environ, "BENCH_LOG": str(log.path)}
        with contextlib.ExitStack() as stack:
            stack.callback(log.close)
            children = [
                stack.enter_context(running(_Started("worker", argv, environ, self._log("worker"), folder)))
                for _ in range(count)
            ]
            yield Workers(tuple(children), log)

    @contextlib.contextmanager
    def _queue(self, database_url: str, until: str) -> Iterator[QueueProcess]:
        """A queue service, once its health called `until` is SERVING."""
        address = f"127.0.0.1:{free_port()}"
        policies = self.logs / "queues.toml"
        policies.write_text(POLICIES)
        environ = self.environ(
            JOBLINE_DATABASE_URL=database_url,
            JOBLINE_QUEUE_PORT=address.rpartition(":")[2],
            JOBLINE_QUEUES_FILE=str(policies),
            JOBLINE_SERVICE_TOKENS=SERVICE_TOKENS,
        )
        service = GrpcService("queue", "jobline_queue", address, environ, self._log("queue"), health_names=(until,))
        with running(service) as child:
            yield QueueProcess(address, child.pid)

    def settle(self) -> None:
        """Waits until PostgreSQL is through with what was before: all pages written, nothing left to vacuum."""
        with psycopg.connect(self.postgres.superuser_url, autocommit=True) as connection:
            connection.execute("CHECKPOINT")
            eventually_blocking(
                lambda: connection.execute(_VACUUMING).fetchone() == (0,), within=300, what="no vacuum runs"
            )

    def complaints(self) -> list[str]:
        """What the services and workers logged so far that is worth a look."""
        found = []
        for log in sorted(self.logs.glob("*-*.log")):
            lines = log.read_text(errors="replace").splitlines()
            found += [f"{log.name}: {line}" for line in lines if any(word in line for word in _COMPLAINTS)]
        return found

    def environ(self, **settings: str) -> dict[str, str]:
        """The environment of a process that finds the modules of tests/ and no other stack."""
        return clean_environ(JOBLINE_DATA_DIR=str(self.logs), PYTHONPATH=str(_TESTS), **settings)

    def _log(self, name: str) -> Path:
        return self.logs / f"{name}-{next(self._numbers)}.log"


@dataclass(frozen=True)
class _Started:
    """A program that counts as ready once it is started: whoever needs more asks the queue service."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    folder: Path | None

    async def prepare(self) -> None:
        """It keeps no files."""

    def program(self) -> Program:
        folder = str(self.folder) if self.folder else None
        return Program(
            name=self.name,
            argv=self.argv,
            env=self.environment,
            log=self.log,
            cwd=folder,
            stop_steps=((signal.SIGTERM, 5.0),),
        )

    async def ready(self) -> None:
        """At once."""


@contextlib.contextmanager
def open_house() -> Iterator[House]:
    """A house on a scratch folder that is removed afterwards."""
    with scratch_data_dir() as data:
        data.create()
        servers = embedded_servers(data, load_or_create(data.secrets_file), postgres=True, valkey=False)
        assert servers.postgres is not None
        with running(servers.postgres) as postmaster:
            yield House(servers.postgres, postmaster.pid, data.logs)
