"""A gRPC server with what every Jobline service has: health, reflection in both versions, caps and keepalive.

Reflection exists twice in the field: old clients (grpcurl 1.8) ask for `v1alpha`, new ones for `v1`. The messages of
the two are the same on the wire, so the one servicer of grpcio-reflection serves both names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer

from jobline.runtime import GRPC_OPTIONS

__all__ = ["GrpcServer", "open_server"]

#: Answers are ours, so only requests are held to the contract's 4 MiB: a hundred long e-mails in one list are more.
MAX_ANSWER = 64 * 1024 * 1024
_REFLECTION_NAMES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


@dataclass(frozen=True)
class GrpcServer:
    """A server that is not started yet. Register servicers on `server`, then `start`."""

    server: aio.Server
    port: int
    _health: HealthServicer
    _services: tuple[str, ...]

    async def start(self) -> None:
        """Starts listening. The process itself is SERVING from now on, its services once `serving(True)` is called."""
        await self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        await self.serving(False)
        await self.server.start()

    async def serving(self, serving: bool) -> None:
        """Sets the health of every registered service, not of the process."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in self._services:
            await self._health.set(name, status)

    async def stop(self, grace: float) -> None:
        """Refuses new calls at once and ends those still running after `grace` seconds."""
        await self._health.enter_graceful_shutdown()
        await self.server.stop(grace)


def open_server(
    host: str, port: int, services: Sequence[str], interceptors: Sequence[aio.ServerInterceptor[Any, Any]] = ()
) -> GrpcServer:
    """A server bound to `host:port` (port 0 picks a free one) that announces `services` (full names).

    Raises RuntimeError when the address cannot be bound.
    """
    options = {**dict(GRPC_OPTIONS), "grpc.max_send_message_length": MAX_ANSWER, "grpc.so_reuseport": 0}
    server = aio.server(interceptors=list(interceptors), options=list(options.items()))
    bound = server.add_insecure_port(f"{host}:{port}")
    if bound == 0:
        raise RuntimeError(f"cannot listen on {host}:{port}")
    servicer = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    _add_reflection(server, [*services, health.SERVICE_NAME, *_REFLECTION_NAMES])
    return GrpcServer(server, bound, servicer, tuple(services))


def _add_reflection(server: aio.Server, names: Sequence[str]) -> None:
    servicer = ReflectionServicer(service_names=names)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    methods = {"ServerReflectionInfo": handler}
    server.add_generic_rpc_handlers(
        tuple(grpc.method_handlers_generic_handler(name, methods) for name in _REFLECTION_NAMES)
    )
