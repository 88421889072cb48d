"""A job's status as server-sent events: one for each change, the last one when the job has ended.

Made for `EventSource`, which calls again whenever a stream ends. A stream begins with all there is to know, so nothing has to
be resumed. A client that comes back for a job of which it has seen the end is told 204, at which it stops (HTML Standard,
section 9.2).

The rows alone are the truth of this surface, and they follow the queue service's memory, as a rule within a tenth of a
second. So a change is the sign to read: at once, and again when the row must have followed.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from jobline.v1 import content_service_pb2 as pb
from jobline.v1 import job_pb2
from jobline_gateway.dependencies import ContextOf, HubOf, QueueOf
from jobline_gateway.live.change import Change, of_job
from jobline_gateway.live.feed import Feed, Look
from jobline_gateway.live.stream import last_event_id, open_stream, short_stream
from jobline_gateway.queue_client import QueueClient
from jobline_gateway.service_client import CallContext
from jobline_gateway.surfaces.content import convert, responses
from jobline_gateway.surfaces.content.jobs import PublicUrl
from jobline_gateway.surfaces.content.surface import BASE

__all__ = ["router"]

QUEUE = "amb-jobs"
#: Seconds without another change until the row is read again.
AGAIN = (0.5, 5.0)

router = APIRouter(tags=["jobs API"])


class StatusFeed(Feed):
    """The status of one job, which its caller may see."""

    RESUMES = False

    def __init__(self, queue: QueueClient, context: CallContext, first: pb.ContentJob, public_url: str) -> None:
        self.topics = (of_job(QUEUE, first.id),)
        self._again: tuple[float, ...] = AGAIN
        self._queue = queue
        self._context = context
        self._public_url = public_url
        self._shown = first

    async def look(self) -> Look:
        job = await read_job(self._queue, self._context, self._shown.id)
        return Look(job, [] if job.status in convert.ENDED else [job.id])

    def seen(self, look: Look, change_id: str) -> bytes:
        return self._show(look.data)

    def show(self, change: Change) -> bytes:
        return b""  # what it tells is read

    async def changed(self, changes: Iterable[Change]) -> bytes:
        self._again = AGAIN
        return await self._news()

    @property
    def rest_after(self) -> float:
        return self._again[0] if self._again else Feed.REST_AFTER

    async def rest(self, change_id: str) -> bytes:
        if not self._again:
            return b""
        self._again = self._again[1:]
        return await self._news()

    def placed(self, places: Iterable[job_pb2.JobPlace]) -> bytes:
        """Of a job that runs, what is left has moved."""
        if self._shown.status != pb.CONTENT_JOB_STATUS_RUNNING:
            return b""
        for place in places:
            if place.eta.HasField("p50"):  # without a history, the first guess stands
                self._shown.estimated_seconds_remaining = max(0, round(place.eta.p50.ToTimedelta().total_seconds()))
        return self._show(self._shown)

    async def _news(self) -> bytes:
        job = await read_job(self._queue, self._context, self._shown.id)
        return self._show(job) if _has_changed(self._shown, job) else b""

    def _show(self, job: pb.ContentJob) -> bytes:
        self._shown = job
        self.over = job.status in convert.ENDED
        data = convert.job(job, self._public_url).model_dump_json(by_alias=True)
        return ServerSentEvent(data, event="status", id=_event_id(job), sep="\n").encode()


def _has_changed(before: pb.ContentJob, after: pb.ContentJob) -> bool:
    """The estimate alone is no news: it changes all the time."""
    facts = [(job.updated_at, job.status, job.progress, job.current_step) for job in (before, after)]
    return facts[0] != facts[1]


async def read_job(queue: QueueClient, context: CallContext, job_id: str) -> pb.ContentJob:
    found = await queue.call(lambda link: link.content.GetContentJob, pb.GetContentJobRequest(id=job_id), context)
    return found.job


def _event_id(job: pb.ContentJob) -> str:
    return job.updated_at.ToJsonString()


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
async def watch(
    jobId: str, request: Request, hub: HubOf, queue: QueueOf, context: ContextOf, public_url: PublicUrl
) -> Response:
    first = await read_job(queue, context, jobId)
    if first.status in convert.ENDED and last_event_id(request) == _event_id(first):
        return Response(status_code=204)
    feed = StatusFeed(queue, context, first, public_url)
    return (
        short_stream(feed, Look(first, [])) if first.status in convert.ENDED else await open_stream(hub, feed, request)
    )
