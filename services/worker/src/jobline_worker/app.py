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
from jobline.v1.worker_control_service_pb2_grpc import add_WorkerControlServiceServicer_to_server
from jobline.worker import ErrandRunner, Worker
from jobline_worker.config import WorkerConfig
from jobline_worker.control import SERVICE as CONTROL
from jobline_worker.control import Control, guard
from jobline_worker.pipelines import content, email
from jobline_worker.pipelines.communications import SendMessage
from jobline_worker.pipelines.content import AnalyzeWebsite, GenerateContent
from jobline_worker.pipelines.email import GenerateEmail
from jobline_worker.pipelines.ingestion import IngestData, Vectorize
from jobline_worker.providers.bundle import Providers, open_providers
from jobline_worker.providers.ingestion import RecordStore
from jobline_worker.providers.ingestion.queue_service import open_record_store
from jobline_worker.providers.messages import SEND_SECONDS
from jobline_worker.providers.organizations import Organizations
from jobline_worker.providers.organizations.queue_service import open_organizations

__all__ = ["serve"]

log = logging.getLogger(__name__)

#: How many jobs of a queue this process runs at once; queues that are not named get the default. The limits across
#: all processes are the queue policies'. Of records as many as a call of the cron endpoints takes: each run of `ingestion`
#: holds a chunk of input and each of `vectorization` a request, and more at once would only share the cores they keep busy.
CONCURRENCY = {"email_default": 1, "amb-jobs": 3, "ingestion": 3, "vectorization": 2}
DEFAULT_CONCURRENCY = 10

#: What the embedded language model can do.
EMBEDDED_TASKS = {**email.EMBEDDED_TASKS, **content.EMBEDDED_TASKS}

#: Seconds that running jobs get to end after SIGTERM. A message may be handed over as late as that, and nothing should cut
#: it: longer than the longest hand-over.
DRAIN_SECONDS = SEND_SECONDS + 10


async def serve(config: WorkerConfig) -> None:
    """Pulls and runs jobs until SIGTERM or SIGINT, then drains; a second signal gives running jobs back at once, but for
    hand-overs that nothing interrupts.

    Raises SettingsError when the port is taken, JoblineError when the queue service refuses this worker.
    """
    async with (
        open_providers(config.providers, EMBEDDED_TASKS) as providers,
        open_organizations(config.queue_addresses, config.token) as organizations,
        open_record_store(config.queue_addresses, config.token) as records,
    ):
        pipelines = _pipelines(providers, organizations, records)
        errands = ErrandRunner(config.queue_addresses, config.token, pipelines=pipelines, drain_timeout=DRAIN_SECONDS)
        # Left in reverse: the server answers for as long as errands run.
        async with _served(config, Control(errands, providers.embedder)) as server, errands:
            worker = Worker(
                config.queue_addresses,
                config.token,
                queues={queue: CONCURRENCY.get(queue, DEFAULT_CONCURRENCY) for queue in config.queues},
                pipelines=pipelines,
                drain_timeout=DRAIN_SECONDS,
            )
            _stop_on_signals(worker, errands)
            log.info("worker serves on %s:%d, session %s", config.host, server.port, worker.session_id)
            await worker.run()
            log.info("worker has drained")


def _pipelines(providers: Providers, organizations: Organizations, records: RecordStore) -> list[object]:
    return [
        GenerateEmail(providers),
        SendMessage(providers.messengers),
        AnalyzeWebsite(providers.llm, providers.websites, providers.images),
        GenerateContent(providers.llm, organizations),
        IngestData(records),
        Vectorize(records, providers.embedder),
    ]


def _stop_on_signals(worker: Worker, errands: ErrandRunner) -> None:
    def stop() -> None:
        worker.stop()
        errands.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)


@asynccontextmanager
async def _served(config: WorkerConfig, control: Control) -> AsyncIterator[GrpcServer]:
    """Serves control calls, health and reflection, in the loop where all grpc.aio objects of a process must live."""
    if not config.callers:
        log.warning("JOBLINE_SERVICE_TOKENS is not set: every call of %s is refused", CONTROL)
    loop = grpc_loop()
    server = await loop.run(_start_server(config, control))
    try:
        yield server
    finally:
        await loop.run(server.stop(grace=1.0))


async def _start_server(config: WorkerConfig, control: Control) -> GrpcServer:
    try:
        server = open_server(config.host, config.port, [CONTROL], [guard(config.callers)])
    except RuntimeError as error:
        where = f"{config.host}:{config.port}"
        raise SettingsError(f"JOBLINE_WORKER_PORT: cannot listen on {where}: {error}") from error
    add_WorkerControlServiceServicer_to_server(control, server.server)
    await server.start()
    await server.serving(True)
    return server
