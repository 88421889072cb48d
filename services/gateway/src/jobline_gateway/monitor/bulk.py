"""An act on every job that a filter chooses: how many it would be, or the act itself with its progress, a line at a time.

Whoever hangs up stops it: what is under way is finished, nothing more is begun.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from jobline.v1 import job_service_pb2 as pb
from jobline_gateway.monitor import job_json, schemas
from jobline_gateway.monitor.queries import BulkAct
from jobline_gateway.problems import TEXTS
from jobline_gateway.queue_client import SEARCH_DEADLINE, QueueClient
from jobline_gateway.service_client import CallContext, ServiceError

__all__ = ["answer"]

logger = logging.getLogger(__name__)

Progress = AsyncGenerator[pb.BulkProgress, None]


async def answer(wanted: BulkAct, queue: QueueClient, context: CallContext) -> Response:
    """Waits for the first word of the queue service: so long a refusal can still be an answer. Raises ServiceError."""
    progress = _progress(wanted, queue, context)
    first = await anext(progress, pb.BulkProgress(finished=True))
    if wanted.dry_run:
        await progress.aclose()
        return JSONResponse(schemas.DryRun(total=first.total).model_dump(by_alias=True))
    return _Lines(first, progress)


class _Lines(StreamingResponse):
    """JSON lines. Ends the call to the queue service when the client hangs up."""

    media_type = "application/x-ndjson"

    def __init__(self, first: pb.BulkProgress, rest: Progress) -> None:
        self._rest = rest
        super().__init__(_written(first, rest))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._rest):
            await super().__call__(scope, receive, send)


async def _written(first: pb.BulkProgress, rest: Progress) -> AsyncGenerator[str, None]:
    yield _line(first)
    try:
        async for progress in rest:
            yield _line(progress)
    except ServiceError as error:
        logger.warning("an act on many jobs broke off: %s", error)
        yield json.dumps({"error": TEXTS[503]}) + "\n"


def _line(progress: pb.BulkProgress) -> str:
    return job_json.share(progress).model_dump_json(by_alias=True) + "\n"


async def _progress(wanted: BulkAct, queue: QueueClient, context: CallContext) -> Progress:
    """What the queue service tells of the act. It is asked once only: who repeats a call that broke acts on what it left."""
    calls = _retries if wanted.act == "retry" else _cancels
    async with aclosing(calls(wanted, queue, context)) as messages:
        async for message in messages:
            yield message.progress


def _retries(wanted: BulkAct, queue: QueueClient, context: CallContext) -> AsyncGenerator[pb.RetryJobsResponse, None]:
    request = pb.RetryJobsRequest(
        filter=wanted.chosen(), dry_run=bool(wanted.dry_run), expected_count=wanted.expected()
    )
    return queue.stream(
        lambda link: link.jobs.RetryJobs,
        request,
        context,
        repeatable=request.dry_run,
        try_deadline=SEARCH_DEADLINE,
    )


def _cancels(wanted: BulkAct, queue: QueueClient, context: CallContext) -> AsyncGenerator[pb.CancelJobsResponse, None]:
    request = pb.CancelJobsRequest(
        filter=wanted.chosen(),
        dry_run=bool(wanted.dry_run),
        expected_count=wanted.expected(),
        reason=wanted.reason or "",
    )
    return queue.stream(
        lambda link: link.jobs.CancelJobs,
        request,
        context,
        repeatable=request.dry_run,
        try_deadline=SEARCH_DEADLINE,
    )
