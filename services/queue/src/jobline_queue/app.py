"""The composition root: the only place that knows every part of the queue service."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Coroutine
from functools import partial

from sqlalchemy.ext.asyncio import AsyncEngine

from jobline.server import open_server
from jobline.v1 import (
    account_service_pb2_grpc,
    communication_service_pb2_grpc,
    content_service_pb2_grpc,
    email_service_pb2_grpc,
    ingestion_service_pb2_grpc,
    job_service_pb2_grpc,
    queue_service_pb2_grpc,
    work_service_pb2_grpc,
)
from jobline_queue.config import Config
from jobline_queue.dispatch.active import QueueCore
from jobline_queue.dispatch.hooks import HookRegistry
from jobline_queue.modules.accounts.servicer import AccountServicer
from jobline_queue.modules.accounts.store import AccountStore
from jobline_queue.modules.communications import hooks as communication_hooks
from jobline_queue.modules.communications.access import Access
from jobline_queue.modules.communications.acts import MessageActs
from jobline_queue.modules.communications.servicer import CommunicationServicer
from jobline_queue.modules.communications.store import MessageStore
from jobline_queue.modules.communications.workers import Workers
from jobline_queue.modules.content import hooks as content_hooks
from jobline_queue.modules.content.broker import Broker
from jobline_queue.modules.content.servicer import ContentServicer
from jobline_queue.modules.content.store import ContentStore
from jobline_queue.modules.email import hooks as email_hooks
from jobline_queue.modules.email.servicer import EmailServicer
from jobline_queue.modules.email.store import EmailStore
from jobline_queue.modules.ingestion import hooks as ingestion_hooks
from jobline_queue.modules.ingestion.access import Access as ProjectAccess
from jobline_queue.modules.ingestion.acts import QueueActs
from jobline_queue.modules.ingestion.records import Records
from jobline_queue.modules.ingestion.search import RecordSearch
from jobline_queue.modules.ingestion.servicer import IngestionServicer
from jobline_queue.modules.ingestion.store import IngestionStore
from jobline_queue.rpc.bulk_acts import BulkActs
from jobline_queue.rpc.intake import store_jobs
from jobline_queue.rpc.intake_input import store_job_with_input
from jobline_queue.rpc.interceptors import ErrorsAndRights
from jobline_queue.rpc.job_servicer import JobServicer, perform
from jobline_queue.rpc.principal import Authenticator
from jobline_queue.rpc.queue_servicer import QueueServicer
from jobline_queue.rpc.work_servicer import WorkServicer
from jobline_queue.store.chore_runs import ChoreRuns
from jobline_queue.store.embeddings import confirm_dimensions
from jobline_queue.store.engine import open_pool
from jobline_queue.store.event_log import EventLog
from jobline_queue.store.job_inputs import JobInputs
from jobline_queue.store.job_list import JobList
from jobline_queue.store.queue_history import QueueHistoryStore
from jobline_queue.store.run_times import RunTimeStore
from jobline_queue.store.search import Searches
from jobline_queue.store.trends import TrendStore

logger = logging.getLogger(__name__)

_NAMES = ("Job", "Work", "Queue", "Account", "Email", "Communication", "Content", "Ingestion")
SERVICES = tuple(f"jobline.v1.{name}Service" for name in _NAMES)
#: What calls that are under way at the stop may still take.
STOP_GRACE = 2.0


async def serve(config: Config) -> None:
    """Serves until SIGTERM or SIGINT, then hands over: drains the workers, ends the term, lets the lock go."""
    guard = ErrorsAndRights(Authenticator(config.tokens), lambda: core.active)
    server = open_server(config.host, config.port, SERVICES, [guard])
    engine = open_pool(config.database_url)
    hooks = HookRegistry([email_hooks.HOOKS, communication_hooks.HOOKS, *content_hooks.HOOKS, *ingestion_hooks.HOOKS])
    instance = f"{socket.gethostname()}:{server.port}:{os.getpid()}"
    searches = Searches(engine)
    core = QueueCore(
        config.database_url,
        instance,
        config.policies,
        hooks,
        server.serving,
        config.take_over_after,
        RunTimeStore(searches).read,
    )
    inputs, jobs, history = JobInputs(engine), JobList(engine, searches), EventLog(engine, searches)
    bulk = BulkActs(core, jobs, history)
    job_service_pb2_grpc.add_JobServiceServicer_to_server(JobServicer(core, jobs, inputs, bulk), server.server)
    work_service_pb2_grpc.add_WorkServiceServicer_to_server(WorkServicer(core, inputs), server.server)
    queue_service_pb2_grpc.add_QueueServiceServicer_to_server(
        QueueServicer(
            core, QueueHistoryStore(engine).count, ChoreRuns(engine).grant, TrendStore(searches).read, history
        ),
        server.server,
    )
    accounts = AccountStore(engine, config.free_credits)
    account_service_pb2_grpc.add_AccountServiceServicer_to_server(AccountServicer(accounts), server.server)
    emails = EmailServicer(core, EmailStore(engine), accounts, store_jobs, perform)
    email_service_pb2_grpc.add_EmailServiceServicer_to_server(emails, server.server)
    messages = MessageStore(engine)
    acts = MessageActs(core, messages, perform)
    workers = Workers(config.worker_addresses, config.worker_token)
    communications = CommunicationServicer(core, Access(engine), messages, acts, workers, store_jobs)
    communication_service_pb2_grpc.add_CommunicationServiceServicer_to_server(communications, server.server)
    broker = Broker(config.broker_url)
    content = ContentServicer(core, ContentStore(engine), accounts, broker, store_jobs, perform)
    content_service_pb2_grpc.add_ContentServiceServicer_to_server(content, server.server)
    ingestions = IngestionStore(engine)
    ingestion = IngestionServicer(
        core,
        ProjectAccess(engine),
        ingestions,
        QueueActs(core, ingestions, perform),
        Records(engine, core, config.embedding_dimensions),
        RecordSearch(engine, config.embedding_dimensions),
        partial(store_job_with_input, core, inputs),
    )
    ingestion_service_pb2_grpc.add_IngestionServiceServicer_to_server(ingestion, server.server)
    await server.start()
    logger.info("listening on %s:%d", config.host, server.port)
    try:
        await _until_signal(core, _run(core, engine, config.embedding_dimensions))
    finally:
        await server.serving(False)
        await server.stop(STOP_GRACE)
        await broker.close()
        await engine.dispose()


async def _run(core: QueueCore, engine: AsyncEngine, dimensions: int) -> None:
    """Raises SettingsError when the database was made for vectors of another length."""
    await confirm_dimensions(engine, dimensions)
    await core.run()


async def _until_signal(core: QueueCore, run: Coroutine[None, None, None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, core.log_state)
    running = asyncio.create_task(run)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    logger.info("stopping")
    await core.drain()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
