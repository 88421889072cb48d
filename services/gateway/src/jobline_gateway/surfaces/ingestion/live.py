"""Both queues as they change, for those who look after them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any, cast

from fastapi import APIRouter, Request, Response
from sse_starlette import EventSourceResponse

from jobline.v1 import ingestion_service_pb2 as pb
from jobline.v1 import job_pb2
from jobline_gateway.dependencies import HubOf
from jobline_gateway.live import described
from jobline_gateway.live.change import Change, of_queue
from jobline_gateway.live.feed import EtaOf, Feed, Look, event
from jobline_gateway.live.stream import open_stream
from jobline_gateway.surfaces.ingestion import convert, responses, schemas
from jobline_gateway.surfaces.ingestion.admin import RECENT_JOBS
from jobline_gateway.surfaces.ingestion.desk import Desk, DeskOf
from jobline_gateway.surfaces.ingestion.surface import ADMIN

__all__ = ["router"]

QUEUES = ("ingestion", "vectorization")

#: A cancelled job is shown as a failed one.
_STATUS: Mapping[int, schemas.Status] = {
    job_pb2.JOB_STATE_PENDING: "PENDING",
    job_pb2.JOB_STATE_RUNNING: "PROCESSING",
    job_pb2.JOB_STATE_SUCCEEDED: "COMPLETED",
    job_pb2.JOB_STATE_FAILED: "FAILED",
    job_pb2.JOB_STATE_CANCELLED: "FAILED",
}

router = APIRouter(tags=["database queue: admin"])


class QueueFeed(Feed):
    """All jobs of both queues."""

    topics = tuple(map(of_queue, QUEUES))

    def __init__(self, desk: Desk, eta_of: EtaOf) -> None:
        self._desk = desk
        self._eta_of = eta_of

    async def look(self) -> Look:
        wanted = pb.GetIngestionStatsRequest(recent=RECENT_JOBS)
        stats = convert.stats(await self._desk.call(lambda link: link.ingestion.GetIngestionStats, wanted))
        living = [job.id for job in stats.recent_jobs if job.status in ("PENDING", "PROCESSING")]
        return Look(stats.model_dump(mode="json", by_alias=True), living)

    def show(self, change: Change) -> bytes:
        if change.job is None:
            return event("removed", {"id": change.job_id})
        data = _job(change.job, self._eta_of(change.job_id))
        return event("job", data.model_dump(mode="json", by_alias=True))


def _job(job: job_pb2.Job, eta: dict[str, object] | None) -> schemas.ChangedQueueJob:
    status, progress = _STATUS[job.state], job.progress
    shown = progress.total > 0 or progress.message
    return schemas.ChangedQueueJob(
        id=job.id,
        job_type=cast(schemas.JobType, job.kind),
        status=status,
        priority=job.priority,
        attempts=job.attempt,
        max_attempts=job.max_attempts,
        progress=schemas.JobProgress(current=progress.current, total=progress.total, message=progress.message)
        if shown
        else None,
        result=_result(job),
        created_at=job.created_at.ToDatetime(UTC),
        started_at=job.started_at.ToDatetime(UTC) if job.HasField("started_at") else None,
        completed_at=job.finished_at.ToDatetime(UTC) if job.HasField("finished_at") else None,
        position=job.position or None,
        eta=eta if status in ("PENDING", "PROCESSING") else None,
    )


def _result(job: job_pb2.Job) -> Any:
    """As the list has it."""
    if job.state == job_pb2.JOB_STATE_FAILED:
        ended = job.finished_at.ToDatetime(UTC)
        return {"error": job.error.message, "timestamp": f"{ended:%Y-%m-%dT%H:%M:%S}.{ended.microsecond // 1000:03}Z"}
    return json.loads(job.result_json) if job.result_json else None


@router.get(
    f"{ADMIN}/events",
    summary="Both queues as they change",
    response_class=EventSourceResponse,
    openapi_extra=described.EVENT_ID,
    responses={**described.stream("job", responses.QUEUE_EVENTS), **responses.COMMON_ADMIN},
)
async def watch_queues(request: Request, hub: HubOf, desk: DeskOf) -> Response:
    return await open_stream(hub, QueueFeed(desk, hub.places.eta), request)
