"""The whole stack as one object: first the servers, then the services, then the chores; stopped in reverse."""

import asyncio
import contextlib
import fcntl
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobline.runtime import Endpoints
from jobline_local.endpoints import publish
from jobline_local.errors import StackError
from jobline_local.jobline_services import ChoresService, GrpcService, HttpService, QueueService
from jobline_local.keeper import Keeper
from jobline_local.ports import resolve_port
from jobline_local.processes import ProcessRecord
from jobline_local.secrets import load_or_create
from jobline_local.servers import EmbeddedServers, embedded_servers
from jobline_local.service import Service
from jobline_local.settings import StackSettings

_SETTING_OF_PORT = {
    "gateway": "JOBLINE_GATEWAY_PORT",
    "queue": "JOBLINE_QUEUE_PORT",
    "worker": "JOBLINE_WORKER_PORT",
}


@dataclass(frozen=True)
class Stack:
    """A stack that answers."""

    endpoints: Endpoints
    chores: Keeper | None

    def start_chores(self) -> None:
        """For when everybody else is served: nobody waits for them, and their process wants the machine while it starts."""
        if self.chores is not None:
            self.chores.start_unawaited()


@contextlib.asynccontextmanager
async def running_stack(settings: StackSettings, *, log_files: bool) -> AsyncIterator[Stack]:
    """A stack that answers health checks for as long as the block lasts.

    Cancelling a start half-way is safe: what runs is stopped again.

    Args:
        settings: what to start and where.
        log_files: the services' logs go to the data directory instead of standard error.

    Raises:
        StackError: it cannot start.
    """
    data = settings.data
    data.create()
    with _sole_user_of(data.lock_file):
        record = ProcessRecord(data.processes_file)
        record.sweep()
        secrets = load_or_create(data.secrets_file)
        servers = embedded_servers(data, secrets, postgres=not settings.database_url, valkey=not settings.redis_url)
        ports = _ports(settings)
        tokens = settings.service_tokens or secrets.tokens
        endpoints = _endpoints(settings, servers, ports, tokens)
        logs = data.logs if log_files else None
        services = _services(settings, endpoints, ports, tokens, logs)
        chores = Keeper(_chores(settings, tokens, logs), record) if settings.with_chores else None
        async with contextlib.AsyncExitStack() as running:
            running.callback(record.clear)
            publish(endpoints, data.endpoints_file)
            running.callback(data.endpoints_file.unlink, missing_ok=True)
            await _start_together(running, record, [one for one in (servers.postgres, servers.valkey) if one])
            await _start_together(running, record, services)
            if chores is not None:
                running.push_async_callback(chores.stop)
            yield Stack(endpoints, chores)


async def _start_together(
    running: contextlib.AsyncExitStack, record: ProcessRecord, services: Sequence[Service]
) -> None:
    """Starts services side by side; `running` will stop them one by one, the last first.

    Raises:
        StackError: one of them does not start; the others are given up.
    """
    keepers = [Keeper(service, record) for service in services]
    for keeper in keepers:
        running.push_async_callback(keeper.stop)
    try:
        async with asyncio.TaskGroup() as group:
            for keeper in keepers:
                group.create_task(keeper.start())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from failures


@contextlib.contextmanager
def _sole_user_of(lock_file: Path) -> Iterator[None]:
    """Holds the data directory's lock; the kernel lets go of it however this process ends."""
    with lock_file.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(
                f"a stack is already running on {lock_file.parent}: stop it, or set JOBLINE_DATA_DIR to another folder"
            ) from None
        yield


def _ports(settings: StackSettings) -> dict[str, int]:
    """A listen port for each service, all different."""
    wanted = {
        "gateway": settings.gateway_port,
        "queue": settings.queue_port,
        "worker": settings.worker_port,
    }
    ports: dict[str, int] = {}
    for name, port in wanted.items():
        if port and port in ports.values():
            raise StackError(f"{_SETTING_OF_PORT[name]}: port {port} is also the port of another service")
        ports[name] = resolve_port(_SETTING_OF_PORT[name], settings.host, port)
    return ports


def _endpoints(
    settings: StackSettings, servers: EmbeddedServers, ports: Mapping[str, int], tokens: Mapping[str, str]
) -> Endpoints:
    host = settings.dial_host
    return Endpoints(
        gateway=f"http://{host}:{ports['gateway']}",
        queue=f"{host}:{ports['queue']}",
        worker=f"{host}:{ports['worker']}",
        database_url=servers.postgres.url if servers.postgres else settings.database_url,
        redis_url=servers.valkey.url if servers.valkey else settings.redis_url,
        gateway_token=tokens["gateway"],
        operator_token=tokens["operator"],
        producer_token=tokens["producer"],
        worker_token=tokens["worker"],
    )


def _services(
    settings: StackSettings,
    endpoints: Endpoints,
    ports: Mapping[str, int],
    tokens: Mapping[str, str],
    logs: Path | None,
) -> tuple[Service, ...]:
    """The three services; each needs those before it, and waits for them by itself."""

    def environment(name: str, role: str) -> dict[str, str]:
        # A token in the caller's environment is the caller's own: every service gets the one of its role.
        changed = {_SETTING_OF_PORT[name]: str(ports[name]), "JOBLINE_TOKEN": tokens[role]}
        return {**settings.environ, **changed}

    accepted = ",".join(f"{role}:{role}:{token}" for role, token in tokens.items())
    return (
        QueueService(
            name="queue",
            module="jobline_queue",
            address=endpoints.queue,
            environment={"JOBLINE_SERVICE_TOKENS": accepted, **environment("queue", "operator")},
            log=_log(logs, "queue"),
            health_names=("", "jobline.v1.JobService"),
        ),
        GrpcService(
            name="worker",
            module="jobline_worker",
            address=endpoints.worker,
            environment={"JOBLINE_SERVICE_TOKENS": accepted, **environment("worker", "worker")},
            log=_log(logs, "worker"),
            health_names=("", "jobline.v1.WorkerControlService"),
            # 40 s for what runs to end, 5 s for what is interrupted, 10 s for the last outcomes.
            stop_seconds=60.0,
        ),
        HttpService(
            "gateway", "jobline_gateway", endpoints.gateway, environment("gateway", "gateway"), _log(logs, "gateway")
        ),
    )


def _chores(settings: StackSettings, tokens: Mapping[str, str], logs: Path | None) -> ChoresService:
    return ChoresService(
        name="chores",
        module="jobline_queue",
        address="",
        environment={**settings.environ, "JOBLINE_TOKEN": tokens["operator"]},
        log=_log(logs, "chores"),
        stop_seconds=10.0,
    )


def _log(logs: Path | None, name: str) -> Path | None:
    return logs / f"{name}.log" if logs else None
