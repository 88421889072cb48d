"""Jobline's own services as children of the stack, and how each says that it serves."""

import asyncio
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tenacity import AsyncRetrying, retry_if_exception_type, wait_fixed

from jobline_local.child import Program, run_to_end
from jobline_local.errors import StackError

_PROBE_SECONDS = 2.0
_SOON_ENDED_SECONDS = 3.0


class NotServing(Exception):
    """The service answers, but does not serve yet."""


@dataclass(frozen=True)
class JoblineService:
    """What they have in common: a Python module with commands, `serve` unless told otherwise."""

    name: str
    module: str
    address: str
    environment: Mapping[str, str]
    log: Path | None
    #: How long it may take to end in order.
    stop_seconds: float = 30.0

    def program(self) -> Program:
        return self.command("serve")

    def command(self, verb: str) -> Program:
        """Any command of the service, in its environment."""
        return Program(
            name=self.name,
            argv=(sys.executable, "-m", self.module, verb),
            env=self.environment,
            log=self.log,
            stop_steps=((signal.SIGTERM, self.stop_seconds),),
        )

    async def prepare(self) -> None:
        """Nothing to do: services keep no files."""


@dataclass(frozen=True)
class GrpcService(JoblineService):
    """A service that answers the standard gRPC health protocol at `address`."""

    health_names: tuple[str, ...] = ("",)

    async def ready(self) -> None:
        """Returns once every one of `health_names` is SERVING."""
        async with grpc.aio.insecure_channel(
            self.address, options=[("grpc.max_reconnect_backoff_ms", 200), ("grpc.enable_http_proxy", 0)]
        ) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            for name in self.health_names:
                async for attempt in AsyncRetrying(
                    retry=retry_if_exception_type((grpc.RpcError, NotServing)), wait=wait_fixed(0.05)
                ):
                    with attempt:
                        await _check(health, name)


async def _check(health: health_pb2_grpc.HealthStub, name: str) -> None:
    answer = await health.Check(health_pb2.HealthCheckRequest(service=name), timeout=_PROBE_SECONDS)
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise NotServing(name)


@dataclass(frozen=True)
class QueueService(GrpcService):
    """The queue service, whose database is migrated first."""

    async def prepare(self) -> None:
        """Brings the database to the service's schema.

        Raises:
            StackError: the migration failed; its own message is in the log.
        """
        if code := await run_to_end(self.command("migrate")):
            hint = f"; see {self.log}" if self.log else ""
            raise StackError(f"`{self.module} migrate` failed with exit code {code}{hint}")


@dataclass(frozen=True)
class ChoresService(JoblineService):
    """The chores of the queue service: a client of the others that answers nobody."""

    def program(self) -> Program:
        return self.command("chores")

    async def ready(self) -> None:
        """Returns after a while: what cannot run ends within it."""
        await asyncio.sleep(_SOON_ENDED_SECONDS)


@dataclass(frozen=True)
class HttpService(JoblineService):
    """A service that answers `GET /health` with 200 at `address` (an URL)."""

    async def ready(self) -> None:
        """Returns once it answers."""
        # Loopback never goes through a proxy that the environment may name.
        async with httpx.AsyncClient(base_url=self.address, timeout=_PROBE_SECONDS, trust_env=False) as client:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type((httpx.HTTPError, NotServing)), wait=wait_fixed(0.05)
            ):
                with attempt:
                    answer = await client.get("/health")
                    if answer.status_code != httpx.codes.OK:
                        raise NotServing(self.name)
