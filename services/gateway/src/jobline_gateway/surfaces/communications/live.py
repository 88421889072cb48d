"""A business's jobs as they change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC

from fastapi import APIRouter, Request, Response
from sse_starlette import EventSourceResponse

from jobline.v1 import communication_service_pb2 as pb
from jobline.v1 import job_pb2
from jobline_gateway.dependencies import HubOf
from jobline_gateway.live import described
from jobline_gateway.live.change import Change, of_owner
from jobline_gateway.live.feed import EtaOf, Feed, Look, event
from jobline_gateway.live.stream import open_stream
from jobline_gateway.surfaces.communications import convert, responses, schemas
from jobline_gateway.surfaces.communications.desk import Desk, DeskOf
from jobline_gateway.surfaces.communications.paths import BASE

__all__ = ["router"]

QUEUE = "communications"
#: Jobs in a look: those that changed last.
PAGE = 50

_STATUS: Mapping[int, schemas.Status] = {
    job_pb2.JOB_STATE_PENDING: "pending",
    job_pb2.JOB_STATE_RUNNING: "processing",
    job_pb2.JOB_STATE_SUCCEEDED: "completed",
    job_pb2.JOB_STATE_FAILED: "failed",
    job_pb2.JOB_STATE_CANCELLED: "cancelled",
}
_PRIORITY: Mapping[int, schemas.Priority] = {10: "high", 0: "normal", -10: "low"}

router = APIRouter(tags=["communication queue"])


class JobFeed(Feed):
    """The jobs of one business."""

    def __init__(self, desk: Desk, eta_of: EtaOf) -> None:
        self.topics = (of_owner(QUEUE, f"business:{desk.business_id}"),)
        self._desk = desk
        self._eta_of = eta_of

    async def look(self) -> Look:
        listed = pb.ListMessagesRequest(
            business_id=self._desk.business_id, order=pb.MESSAGE_ORDER_LATEST, page_size=PAGE
        )
        found = await self._desk.call(lambda link: link.communications.ListMessages, listed)
        counted = pb.GetMessageStatsRequest(business_id=self._desk.business_id)
        stats = await self._desk.call(lambda link: link.communications.GetMessageStats, counted)
        jobs = [convert.job(message) for message in found.messages]
        data = {
            "jobs": [job.model_dump(mode="json", by_alias=True, exclude_none=True) for job in jobs],
            "stats": convert.stats(stats.stats).model_dump(mode="json", by_alias=True),
        }
        return Look(data, [job.id for job in jobs if job.status in ("pending", "processing")])

    async def confirm(self) -> None:
        await self._desk.require(pb.ACTION_VIEW_JOBS)

    def show(self, change: Change) -> bytes:
        job = change.job
        if job is None:
            return event("removed", {"id": change.job_id})
        data = _job(job, self._eta_of(job.id)).model_dump(mode="json", by_alias=True, exclude_none=True)
        return event("job", data)


def _job(job: job_pb2.Job, eta: dict[str, object] | None) -> schemas.ChangedJob:
    """Of the keys of a job those that a change tells."""
    lives = job.state in (job_pb2.JOB_STATE_PENDING, job_pb2.JOB_STATE_RUNNING)
    completed = job.state == job_pb2.JOB_STATE_SUCCEEDED
    return schemas.ChangedJob(
        id=job.id,
        status=_STATUS[job.state],
        priority=_PRIORITY.get(job.priority, "normal"),
        scheduled_at=job.run_at.ToDatetime(UTC),
        started_at=job.started_at.ToDatetime(UTC) if job.HasField("started_at") else None,
        completed_at=job.finished_at.ToDatetime(UTC) if completed else None,
        attempts=job.attempt,
        max_attempts=job.max_attempts,
        last_error=job.error.message or None,
        created_at=job.created_at.ToDatetime(UTC),
        position=job.position or None,
        eta=eta if lives else None,
    )


@router.get(
    f"{BASE}/events",
    summary="The business's jobs as they change",
    response_class=EventSourceResponse,
    openapi_extra=described.EVENT_ID,
    responses={**described.stream("job", responses.JOB_EVENTS), **responses.COMMON},
)
async def watch_jobs(request: Request, hub: HubOf, desk: DeskOf) -> Response:
    return await open_stream(hub, JobFeed(desk, hub.places.eta), request)
