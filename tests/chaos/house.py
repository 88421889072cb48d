"""All processes of a chaos run, on servers of their own, behind proxies that can be cut: each dies and comes back alone.

    producers ──────────────────► queue services a, b ──► a proxy each ──► PostgreSQL
    workers 1, 2, 3 ──► proxies ──┘                                        Valkey

Every process is a child that the kernel ends with this one (`jobline_local.child`), so nothing is left behind however a
run ends. Everything runs in one event loop, the main thread's; gRPC has the SDK's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from chaos.audit import install
from chaos.members import Incident, Member
from chaos.workload import WORKLOADS, policies
from jobline.client import AsyncJoblineClient
from jobline_local.child import Program, run_to_end
from jobline_local.paths import DataDir
from jobline_local.ports import free_port
from jobline_local.postgres import Postgres
from jobline_local.secrets import load_or_create
from jobline_local.servers import embedded_servers
from jobline_local.valkey import Valkey
from jobline_queue.dispatch.inspection import END
from support.eventually import eventually
from support.processes import clean_environ
from support.stack import scratch_data_dir
from support.tcp_proxy import TcpProxy

__all__ = ["House", "open_house"]

_TESTS = Path(__file__).parents[1]
_TOKENS = {role: f"{role}-token-of-a-chaos-run" for role in ("operator", "worker")}
_READY_WITHIN = 60.0
#: Seconds after which a frozen active service has lost its place.
TAKE_OVER_AFTER = 4


@dataclass(eq=False)
class House:
    """What runs, by name, and what has happened to it."""

    postgres: Postgres
    valkey: Valkey
    data: DataDir
    incidents: list[Incident] = field(default_factory=list)
    members: dict[str, Member] = field(default_factory=dict)
    #: Between a service and its database (`a`, `b`), and between a worker and a service (`worker-1 a`, …).
    proxies: dict[str, TcpProxy] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)

    @property
    def database_url(self) -> str:
        return self.postgres.url

    @property
    def services(self) -> dict[str, Member]:
        return {name: self.members[name] for name in self.addresses}

    @property
    def workers(self) -> dict[str, Member]:
        return {name: member for name, member in self.members.items() if name.startswith("worker-")}

    @property
    def journals(self) -> Path:
        return self.data.logs

    def client(self, deadline: float = 10.0) -> AsyncJoblineClient:
        """A caller who may do everything."""
        return AsyncJoblineClient(list(self.addresses.values()), _TOKENS["operator"], deadline=deadline)

    async def active(self) -> str:
        """The name of the service that took over last; of any, while the database does not answer."""
        with contextlib.suppress(psycopg.Error):
            ((instance,),) = await self.query("SELECT instance FROM jobline.epoch")
            for name, member in self.services.items():
                if str(instance).endswith(f":{member.pid}"):
                    return name
        return next(iter(self.addresses))

    async def named(self, whom: str) -> str:
        """The member that is meant: roles of services change."""
        if whom not in ("active", "standby"):
            return whom
        active = await self.active()
        return active if whom == "active" else next(name for name in self.addresses if name != active)

    async def query(self, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        """The rows of a statement, past all proxies, with all rights. Raises psycopg.Error."""
        url = urlunsplit(urlsplit(self.postgres.superuser_url)._replace(path=urlsplit(self.database_url).path))
        async with await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=5) as connection:
            cursor = await connection.execute(statement.encode(), parameters)
            return await cursor.fetchall() if cursor.description else []

    def heal(self) -> None:
        """Every connection works again, and nothing is frozen."""
        for proxy in self.proxies.values():
            proxy.heal()
        for member in self.members.values():
            member.thaw()

    def complaints(self) -> list[str]:
        """What the services logged as a fault of their own."""
        found = []
        for log in sorted(self.data.logs.glob("service-*.log")):
            for line in log.read_text(errors="replace").splitlines():
                if " ERROR " in line or " CRITICAL " in line or line.startswith("Traceback"):
                    found.append(f"{log.stem}: {line[:300]}")
        return found

    async def state(self) -> list[str]:
        """What the active service has in memory, as it tells when asked by a signal; empty when it does not answer."""
        active = await self.active()
        log = self.data.logs / f"service-{active}.log"
        begin = len(log.read_bytes())
        self.members[active].signal(signal.SIGUSR1)

        def told() -> str:
            text = log.read_bytes()[begin:].decode(errors="replace")
            return text if END in text else ""

        with contextlib.suppress(AssertionError):
            text = await eventually(told, within=5.0, what=f"{active} has told its state")
            return [line[line.index("state: ") :] for line in text.splitlines() if "state: " in line]
        return []

    # ---- what is started ----------------------------------------------------------------------------------------

    def service_program(self, name: str, policy_file: Path, database_url: str) -> Program:
        environ = self._environ(
            JOBLINE_DATABASE_URL=database_url,
            JOBLINE_REDIS_URL=self.valkey.url,
            JOBLINE_QUEUE_PORT=self.addresses[name].rpartition(":")[2],
            JOBLINE_QUEUES_FILE=str(policy_file),
            JOBLINE_TAKE_OVER_AFTER=str(TAKE_OVER_AFTER),
            JOBLINE_SERVICE_TOKENS=",".join(f"{role}:{role}:{token}" for role, token in _TOKENS.items()),
        )
        return Program(
            name=name,
            argv=(sys.executable, "-m", "jobline_queue", "serve"),
            env=environ,
            log=self.data.logs / f"service-{name}.log",
        )

    def worker_program(self, name: str, addresses: list[str], workload: str) -> Program:
        journal = self.journals / f"{name}.journal"
        path = os.pathsep.join([str(_TESTS), os.environ.get("PYTHONPATH", "")])
        return Program(
            name=name,
            argv=(sys.executable, "-m", "chaos.worker", name, str(journal), ",".join(addresses), workload),
            env=self._environ(JOBLINE_TOKEN=_TOKENS["worker"], PYTHONPATH=path),
            log=self.data.logs / f"{name}.log",
        )

    async def migrate(self) -> None:
        argv = (sys.executable, "-m", "jobline_queue", "migrate")
        log = self.data.logs / "migrate.log"
        code = await run_to_end(
            Program("migrate", argv, self._environ(JOBLINE_DATABASE_URL=self.database_url), log=log)
        )
        if code:
            raise RuntimeError(f"the migration failed:\n{log.read_text()}")

    def _environ(self, **settings: str) -> dict[str, str]:
        return clean_environ(JOBLINE_DATA_DIR=str(self.data.root), **settings)


@contextlib.asynccontextmanager
async def open_house(
    workload: str, *, workers: int = 3, proxied: bool = True, prepare: Callable[[str], None] = install
) -> AsyncIterator[House]:
    """A house in which everybody is at home: two queue services, one of them active, and workers of a workload.

    Without `proxied` the processes are connected directly. `prepare` gets the URL of the migrated database before anybody
    else does.
    """
    with scratch_data_dir() as data:
        data.create()
        servers = embedded_servers(data, load_or_create(data.secrets_file), postgres=True, valkey=True)
        assert servers.postgres is not None
        assert servers.valkey is not None
        house = House(servers.postgres, servers.valkey, data)
        async with contextlib.AsyncExitStack() as stack:
            await _start_servers(house, stack)
            await asyncio.to_thread(prepare, house.database_url)
            await _start_services(house, stack, policies(WORKLOADS[workload]), proxied)
            await _start_workers(house, stack, workers, workload, proxied)
            await _until_connected(house, workers)
            yield house


async def _start_servers(house: House, stack: contextlib.AsyncExitStack) -> None:
    for server in (house.postgres, house.valkey):
        member = Member(server.name, server.program(), house.incidents, server.prepare)
        house.members[server.name] = await stack.enter_async_context(member)
        async with asyncio.timeout(_READY_WITHIN):
            await server.ready()
    await house.migrate()


async def _start_services(house: House, stack: contextlib.AsyncExitStack, policy_text: str, proxied: bool) -> None:
    policy_file = house.data.root / "queues.toml"
    policy_file.write_text(policy_text)
    for name in ("a", "b"):
        house.addresses[name] = f"127.0.0.1:{free_port()}"
        url = await _database_proxy(house, stack, name) if proxied else house.database_url
        member = Member(name, house.service_program(name, policy_file, url), house.incidents)
        house.members[name] = await stack.enter_async_context(member)


async def _start_workers(
    house: House, stack: contextlib.AsyncExitStack, count: int, workload: str, proxied: bool
) -> None:
    for name in [f"worker-{number}" for number in range(1, count + 1)]:
        addresses = [
            await _proxy(house, stack, f"{name} {service}", address) if proxied else address
            for service, address in house.addresses.items()
        ]
        member = Member(name, house.worker_program(name, addresses, workload), house.incidents)
        house.members[name] = await stack.enter_async_context(member)


async def _proxy(house: House, stack: contextlib.AsyncExitStack, name: str, target: str) -> str:
    proxy = TcpProxy(target)
    await proxy.start()
    stack.push_async_callback(proxy.close)
    house.proxies[name] = proxy
    return proxy.address


async def _database_proxy(house: House, stack: contextlib.AsyncExitStack, name: str) -> str:
    parts = urlsplit(house.database_url)
    account, _, target = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{account}@{await _proxy(house, stack, name, target)}"))


async def _until_connected(house: House, workers: int) -> None:
    async with house.client(deadline=_READY_WITHIN) as client:
        await client.list_queues()

        async def all_connected() -> bool:
            return len(await client.list_workers()) >= workers

        await eventually(all_connected, within=_READY_WITHIN, what="every worker is connected")
