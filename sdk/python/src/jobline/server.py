"""A gRPC server with what every Jobline service has: health, reflection in both versions, caps and keepalive.

Reflection exists twice in the field: old clients (grpcurl 1.8) ask for `v1alpha`, new ones for `v1`. The messages of
the two are the same on the wire, so the one servicer of grpcio-reflection serves both names.
"""

from __future__ import annotations

import logging
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
#: gRPC's own logger, and how an answer (message or status) that it took but could not send begins its error.
_GRPC_LOGGER, _UNSENT = "grpc._cython.cygrpc", 'Failed "execute_batch"'
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
    logging.getLogger(_GRPC_LOGGER).addFilter(_unsent_answers)
    options = {**dict(GRPC_OPTIONS), "grpc.max_send_message_length": MAX_ANSWER, "grpc.so_reuseport": 0}
    server = aio.server(interceptors=list(interceptors), options=list(options.items()))
    bound = server.add_insecure_port(f"{host}:{port}")
    if bound == 0:
        raise RuntimeError(f"cannot listen on {host}:{port}")
    servicer = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    _add_reflection(server, [*services, health.SERVICE_NAME, *_REFLECTION_NAMES])
    return GrpcServer(server, bound, servicer, tuple(services))


class _UnsentAnswers(logging.Filter):
    """What gRPC logs as an error with a traceback when a caller goes at the moment of its answer, said for what it is.

    It keeps silent about callers that it knows to be gone, but may see that the answer failed before it sees why. Other
    misuse of a call remains an error.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        cause = record.exc_info[1] if record.exc_info else None
        if isinstance(cause, aio.InternalError) and str(cause).startswith(_UNSENT):
            record.msg, record.args = "%s: the caller is gone, or the answer too large for it", (record.getMessage(),)
            record.levelno, record.levelname, record.exc_info = logging.WARNING, "WARNING", None
        return True


_unsent_answers = _UnsentAnswers()


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
