"""A job's status as server-sent events: one for each change, the last one when the job has ended.

Made for `EventSource`, which calls again whenever a stream ends. So a stream that breaks, here or behind us, just ends; the
next one begins with all there is to know. A client that comes back for a job of which it has seen the end is told 204,
at which it stops (HTML Standard, section 9.2).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from jobline.v1 import content_service_pb2 as pb
from jobline_gateway.dependencies import ContextOf, QueueOf
from jobline_gateway.service_client import ServiceError
from jobline_gateway.surfaces.content import convert, responses
from jobline_gateway.surfaces.content.jobs import PublicUrl
from jobline_gateway.surfaces.content.surface import BASE

__all__ = ["router"]

logger = logging.getLogger(__name__)

#: Seconds between comments that keep proxies from taking the stream for dead.
KEEP_ALIVE = 15
#: Milliseconds that a client waits before it calls again.
RECONNECT = 2000

Changes = AsyncGenerator[pb.WatchContentJobResponse, None]

router = APIRouter(tags=["jobs API"])


class JobEvents(EventSourceResponse):
    """The events of one job. Ends the call to the queue service when the client hangs up."""

    def __init__(self, first: pb.ContentJob, changes: Changes, public_url: str) -> None:
        self._changes = changes
        super().__init__(_events(first, changes, public_url), ping=KEEP_ALIVE, sep="\n")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._changes):
            await super().__call__(scope, receive, send)
        if self.active:
            # Neither side has ended it: this service is being stopped.
            await send({"type": "http.response.body", "body": b"", "more_body": False})


@router.get(
    f"{BASE}/{{jobId}}/events",
    summary="A job's status whenever it changes",
    response_class=EventSourceResponse,
    responses={
        200: {
            "description": "`status` events until the job has ended; their data is what `status` answers.",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": responses.EVENTS}},
        },
        204: {"description": "The job has ended, and `Last-Event-ID` is that of the event which said so."},
        **responses.COMMON,
        **responses.NO_SUCH_JOB,
    },
)
async def watch(jobId: str, request: Request, queue: QueueOf, context: ContextOf, public_url: PublicUrl) -> Response:
    changes = queue.stream(lambda link: link.content.WatchContentJob, pb.WatchContentJobRequest(id=jobId), context)
    # Waited for before the answer begins: so long a refusal can still be one.
    first = (await anext(changes)).job
    if first.status in convert.ENDED and request.headers.get("last-event-id") == _event_id(first):
        await changes.aclose()
        return Response(status_code=204)
    return JobEvents(first, changes, public_url)


async def _events(first: pb.ContentJob, changes: Changes, public_url: str) -> AsyncGenerator[ServerSentEvent, None]:
    yield _event(first, public_url, retry=RECONNECT)
    try:
        async for change in changes:
            yield _event(change.job, public_url)
    except ServiceError as error:
        logger.info("a stream of events ends before its job: %s", error)


def _event(job: pb.ContentJob, public_url: str, retry: int | None = None) -> ServerSentEvent:
    data = convert.job(job, public_url).model_dump_json(by_alias=True)
    return ServerSentEvent(data, event="status", id=_event_id(job), retry=retry, sep="\n")


def _event_id(job: pb.ContentJob) -> str:
    return job.updated_at.ToJsonString()
