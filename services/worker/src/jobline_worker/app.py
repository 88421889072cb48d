"""The composition root of the worker service: settings → providers → pipelines → worker, and a small gRPC server."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from jobline.channel import grpc_loop
from jobline.runtime import SettingsError
from jobline.server import GrpcServer, open_server
from jobline.worker import Worker
from jobline_worker.config import WorkerConfig
from jobline_worker.pipelines.email import EMBEDDED_TASKS, GenerateEmail
from jobline_worker.providers.bundle import open_providers

__all__ = ["serve"]

log = logging.getLogger(__name__)

#: How many jobs of a queue this process runs at once; queues that are not named get the default. The limits across
#: all processes are the queue policies'.
CONCURRENCY = {"email_default": 1}
DEFAULT_CONCURRENCY = 10


async def serve(config: WorkerConfig) -> None:
    """Pulls and runs jobs until SIGTERM or SIGINT, then drains; a second signal gives running jobs back at once.

    Raises SettingsError when the port is taken, JoblineError when the queue service refuses this worker.
    """
    async with (
        open_providers(config.providers, EMBEDDED_TASKS) as providers,
        _probes(config.host, config.port) as probes,
    ):
        worker = Worker(
            config.queue_addresses,
            config.token,
            queues={queue: CONCURRENCY.get(queue, DEFAULT_CONCURRENCY) for queue in config.queues},
            pipelines=[GenerateEmail(providers)],
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, worker.stop)
        log.info("worker serves on %s:%d, session %s", config.host, probes.port, worker.session_id)
        await worker.run()
        log.info("worker has drained")


@asynccontextmanager
async def _probes(host: str, port: int) -> AsyncIterator[GrpcServer]:
    """Serves health and reflection, in the loop where all grpc.aio objects of a process must live."""
    loop = grpc_loop()
    server = await loop.run(_start_server(host, port))
    try:
        yield server
    finally:
        await loop.run(server.stop(grace=1.0))


async def _start_server(host: str, port: int) -> GrpcServer:
    try:
        server = open_server(host, port, services=())
    except RuntimeError as error:
        raise SettingsError(f"JOBLINE_WORKER_PORT: cannot listen on {host}:{port}: {error}") from error
    await server.start()
    return server
