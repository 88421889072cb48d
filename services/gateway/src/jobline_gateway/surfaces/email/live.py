"""The caller's queue items as they change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC

from fastapi import APIRouter, Request, Response
from sse_starlette import EventSourceResponse

from jobline.v1 import email_service_pb2 as pb
from jobline.v1 import job_pb2
from jobline_gateway.dependencies import ContextOf, HubOf, QueueOf
from jobline_gateway.live import described
from jobline_gateway.live.change import Change, of_owner
from jobline_gateway.live.feed import EtaOf, Feed, Look, event
from jobline_gateway.live.stream import open_stream
from jobline_gateway.queue_client import QueueClient
from jobline_gateway.service_client import CallContext
from jobline_gateway.surfaces.email import convert, responses, schemas

__all__ = ["router"]

QUEUE = "email_default"

#: A cancelled item is not in the list, so it counts as removed.
_STATUS: Mapping[int, schemas.Status] = {
    job_pb2.JOB_STATE_PENDING: "pending",
    job_pb2.JOB_STATE_RUNNING: "processing",
    job_pb2.JOB_STATE_SUCCEEDED: "completed",
    job_pb2.JOB_STATE_FAILED: "failed",
}

router = APIRouter(tags=["e-mail queue"])


class ItemFeed(Feed):
    """The items of one user."""

    def __init__(self, queue: QueueClient, context: CallContext, eta_of: EtaOf) -> None:
        sub = context.caller.sub if context.caller else ""
        self.topics = (of_owner(QUEUE, f"user:{sub}"),)
        self._queue = queue
        self._context = context
        self._eta_of = eta_of

    async def look(self) -> Look:
        found = await self._queue.call(
            lambda link: link.email.ListQueueItems, pb.ListQueueItemsRequest(), self._context
        )
        items = [convert.queue_item(item) for item in found.items]
        return Look({"items": items}, [item.id for item in items if item.status in ("pending", "processing")])

    def show(self, change: Change) -> bytes:
        job = change.job
        if job is None or job.state not in _STATUS:
            return event("removed", {"id": change.job_id})
        return event("item", _item(job, self._eta_of(job.id)))


def _item(job: job_pb2.Job, eta: dict[str, object] | None) -> schemas.ChangedItem:
    status = _STATUS[job.state]
    done = json.loads(job.result_json) if status == "completed" and job.result_json else {}
    return schemas.ChangedItem(
        id=job.id,
        status=status,
        position=max(1, job.position) if status == "pending" else None,
        email_id=done.get("email_id"),
        error_message=(job.error.message or "Unknown error") if status == "failed" else None,
        current_step=(job.progress.step or convert.STEPS[0]) if status == "processing" else None,
        created_at=job.created_at.ToDatetime(UTC),
        eta=eta if status in ("pending", "processing") else None,
    )


@router.get(
    "/api/queue/events",
    summary="The caller's items as they change",
    response_class=EventSourceResponse,
    openapi_extra=described.EVENT_ID,
    responses={**described.stream("item", responses.ITEM_EVENTS), **responses.COMMON},
)
async def watch_queue(request: Request, hub: HubOf, queue: QueueOf, context: ContextOf) -> Response:
    return await open_stream(hub, ItemFeed(queue, context, hub.places.eta), request)
