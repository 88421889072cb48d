"""The workers' endpoints, for deployments that run on a cron. Each call does a bounded piece of work and answers."""

from __future__ import annotations

import logging
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from google.protobuf.duration_pb2 import Duration

from jobline.v1.ingestion_service_pb2 import CleanUpRequest
from jobline.v1.worker_control_service_pb2 import ProcessNowRequest
from jobline_gateway import described
from jobline_gateway.dependencies import QueueOf, WorkerOf
from jobline_gateway.hang_up import while_connected
from jobline_gateway.openapi import BY_CRON_SECRET
from jobline_gateway.service_client import CallContext, ServiceError
from jobline_gateway.surfaces.ingestion import responses, schemas
from jobline_gateway.surfaces.ingestion.surface import WORKERS
from jobline_gateway.worker_client import WorkerClient

__all__ = ["router"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds after which a call claims nothing more, its runs stop, and it is given up.
CLAIM_FOR, RUN_FOR, GIVE_UP = 50, 55, 59.0
INGEST_JOBS, VECTORIZE_JOBS = 3, 2
#: Seconds for the removal of old jobs, which is work for as long as there are some.
CLEANUP_DEADLINE = 600.0

router = APIRouter(tags=["database queue: workers"])


@router.get(
    f"{WORKERS}/ingestion",
    summary="Run up to 3 ingest jobs that are due",
    openapi_extra={"security": BY_CRON_SECRET},
    responses={**described.answer(200, "They have ended, or were put back.", responses.PROCESSED), **responses.CRON},
)
async def run_ingestion(request: Request, worker: WorkerOf) -> schemas.Processed:
    return await _process(request, worker, "ingestion", INGEST_JOBS)


@router.get(
    f"{WORKERS}/vectorization",
    summary="Run up to 2 vectorize jobs that are due",
    openapi_extra={"security": BY_CRON_SECRET},
    responses={**described.answer(200, "They have ended, or were put back.", responses.PROCESSED), **responses.CRON},
)
async def run_vectorization(request: Request, worker: WorkerOf) -> schemas.Processed:
    return await _process(request, worker, "vectorization", VECTORIZE_JOBS)


@router.get(
    f"{WORKERS}/cleanup",
    summary="Remove jobs that ended more than 7 days ago",
    openapi_extra={"security": BY_CRON_SECRET},
    responses={**described.answer(200, "Gone.", responses.CLEANED_UP), **responses.CRON},
)
async def run_cleanup(request: Request, queue: QueueOf) -> schemas.CleanedUp:
    cleaning = queue.call(
        lambda link: link.ingestion.CleanUp,
        CleanUpRequest(),
        _own(request),
        repeatable=False,
        deadline=CLEANUP_DEADLINE,
    )
    done = await _logged("cleanup", while_connected(request, cleaning))
    logger.info("worker=cleanup deleted=%d", done.deleted)
    return schemas.CleanedUp(success=True, deleted_count=done.deleted)


async def _process(request: Request, worker: WorkerClient, queue: str, jobs: int) -> schemas.Processed:
    """Has `jobs` jobs at most of a queue run; the worker has the queue's name."""
    wanted = ProcessNowRequest(
        queue=queue,
        max_jobs=jobs,
        claim_for=Duration(seconds=CLAIM_FOR),
        run_for=Duration(seconds=RUN_FOR),
        own_runs_only=True,
    )
    started = time.monotonic()
    working = worker.call(
        lambda link: link.control.ProcessNow, wanted, _own(request), repeatable=False, deadline=GIVE_UP
    )
    done = await _logged(queue, while_connected(request, working))
    duration = int((time.monotonic() - started) * 1000)
    level = logging.WARNING if done.failed else logging.INFO
    logger.log(level, "worker=%s processed=%d failed=%d duration=%dms", queue, done.attempted, done.failed, duration)
    return schemas.Processed(success=True, processed=done.attempted, duration=duration)


async def _logged(worker: str, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; a refusal of it is logged under the worker's name."""
    try:
        return await work
    except ServiceError as error:
        logger.error("worker=%s could not run: %s", worker, error)
        raise


def _own(request: Request) -> CallContext:
    """There is no user on whose behalf this could be done."""
    return CallContext(caller=None, correlation_id=request.state.correlation_id)
