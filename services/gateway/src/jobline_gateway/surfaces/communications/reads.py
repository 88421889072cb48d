"""The routes that show jobs, numbers and the outbox: read the request, make one call, convert the answer."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from jobline.v1 import communication_service_pb2 as pb
from jobline_gateway import described
from jobline_gateway.checking import validated
from jobline_gateway.paging import link_next
from jobline_gateway.surfaces.communications import convert, responses, schemas
from jobline_gateway.surfaces.communications.csv_export import CsvResponse
from jobline_gateway.surfaces.communications.desk import Desk, DeskOf
from jobline_gateway.surfaces.communications.paths import BASE, BUSINESS, JOB
from jobline_gateway.surfaces.communications.streamed_jobs import JobArray

__all__ = ["router"]

PENDING_LIMIT = 10
FAILED_LIMIT = 50
OUTBOX_LIMIT = 50

router = APIRouter(tags=["communication queue"])


@router.get(
    f"{BASE}/stats",
    summary="The business's jobs in numbers",
    responses={**described.answer(200, "All keys always.", responses.STATS), **responses.COMMON},
)
async def get_stats(desk: DeskOf) -> schemas.Stats:
    wanted = pb.GetMessageStatsRequest(business_id=desk.business_id)
    found = await desk.call(lambda link: link.communications.GetMessageStats, wanted)
    return convert.stats(found.stats)


@router.get(
    f"{BASE}/health",
    summary="Is the business's queue healthy?",
    responses={**described.answer(200, "The verdict and its reasons.", responses.HEALTH), **responses.COMMON},
)
async def get_health(desk: DeskOf) -> schemas.QueueHealth:
    wanted = pb.GetMessageHealthRequest(business_id=desk.business_id)
    found = await desk.call(lambda link: link.communications.GetMessageHealth, wanted)
    return convert.health(found)


@router.get(
    f"{BASE}/pending",
    summary="Pending jobs in processing order",
    response_model_exclude_none=True,
    openapi_extra=described.query_parameters(schemas.ListQuery),
    responses={
        **described.page("At most `limit` jobs (10).", [responses.PENDING]),
        **responses.COMMON,
        **responses.BAD_QUERY,
    },
)
async def list_pending(request: Request, response: Response, desk: DeskOf) -> list[schemas.Job]:
    plain = pb.ListMessagesRequest(order=pb.MESSAGE_ORDER_PROCESSING, page_size=PENDING_LIMIT)
    return await _list(request, response, desk, "pending", plain)


@router.get(
    f"{BASE}/failed",
    summary="Failed jobs, newest failure first",
    response_model_exclude_none=True,
    openapi_extra=described.query_parameters(schemas.ListQuery),
    responses={
        **described.page("At most `limit` jobs (50).", [responses.FAILED]),
        **responses.COMMON,
        **responses.BAD_QUERY,
    },
)
async def list_failed(request: Request, response: Response, desk: DeskOf) -> list[schemas.Job]:
    plain = pb.ListMessagesRequest(order=pb.MESSAGE_ORDER_LATEST, page_size=FAILED_LIMIT)
    return await _list(request, response, desk, "failed", plain)


async def _list(
    request: Request, response: Response, desk: Desk, status: schemas.Status, plain: pb.ListMessagesRequest
) -> list[schemas.Job]:
    """A page of the jobs with this status; `plain` has the order and the page size of the call without a query."""
    async with desk.reading_input(pb.ACTION_VIEW_JOBS):
        query = validated(schemas.ListQuery, request.query_params)
    if status not in (query.status or (status,)):
        await desk.require(pb.ACTION_VIEW_JOBS)
        return []
    query.status = [status]
    wanted = pb.ListMessagesRequest(
        business_id=desk.business_id,
        filter=convert.message_filter(query),
        order=plain.order,
        page_size=query.limit or plain.page_size,
        page_token=query.cursor or "",
    )
    found = await desk.call(lambda link: link.communications.ListMessages, wanted)
    link_next(request, response, found.next_page_token)
    return [convert.job(message) for message in found.messages]


@router.get(
    f"{BASE}/by-communication/{{communicationId:path}}",
    summary="The jobs and history entries of one communication",
    response_model=list[schemas.Job],
    responses={
        **described.answer(200, "Ascending by `scheduledAt`; unknown: none.", [responses.COMPLETED]),
        **responses.COMMON,
    },
)
async def list_of_communication(communicationId: str, desk: DeskOf) -> JobArray:
    wanted = pb.ListCommunicationMessagesRequest(business_id=desk.business_id, communication_id=communicationId)
    return await JobArray.begun(desk.stream(lambda link: link.communications.ListCommunicationMessages, wanted))


@router.get(
    f"{BASE}/export.csv",
    summary="Jobs as a CSV file",
    status_code=200,
    response_class=CsvResponse,
    openapi_extra=described.query_parameters(schemas.Filter),
    responses={
        200: {"description": "One row a job, oldest first; safe to open in a spreadsheet."},
        **responses.COMMON,
        **responses.BAD_QUERY,
    },
)
async def export(request: Request, desk: DeskOf) -> CsvResponse:
    async with desk.reading_input(pb.ACTION_VIEW_JOBS):
        query = validated(schemas.Filter, request.query_params)
    wanted = pb.ExportMessagesRequest(business_id=desk.business_id, filter=convert.message_filter(query))
    return await CsvResponse.begun(desk.stream(lambda link: link.communications.ExportMessages, wanted))


@router.get(
    JOB,
    summary="One job, or a history entry",
    response_model_exclude_none=True,
    responses={**described.answer(200, "The job.", responses.COMPLETED), **responses.COMMON, **responses.NO_JOB},
)
async def get_job(id: str, desk: DeskOf) -> schemas.Job:
    wanted = pb.GetMessageRequest(business_id=desk.business_id, id=id)
    found = await desk.call(lambda link: link.communications.GetMessage, wanted, job_id=id)
    return convert.job(found.message)


@router.get(
    f"{BUSINESS}/outbox",
    summary="What was sent without an outside provider",
    response_model_exclude_none=True,
    openapi_extra=described.query_parameters(schemas.OutboxQuery),
    responses={
        **described.page("At most `limit` entries (50), in sending order.", [responses.OUTBOX_ENTRY]),
        **responses.COMMON,
        **responses.BAD_QUERY,
    },
)
async def list_outbox(request: Request, response: Response, desk: DeskOf) -> list[schemas.OutboxEntry]:
    async with desk.reading_input(pb.ACTION_VIEW_JOBS):
        query = validated(schemas.OutboxQuery, request.query_params)
    wanted = pb.ListOutboxRequest(
        business_id=desk.business_id,
        communication_id=query.communication_id or "",
        limit=query.limit or OUTBOX_LIMIT,
        page_token=query.cursor or "",
    )
    found = await desk.call(lambda link: link.communications.ListOutbox, wanted)
    link_next(request, response, found.next_page_token)
    return [convert.outbox_entry(entry) for entry in found.entries]
