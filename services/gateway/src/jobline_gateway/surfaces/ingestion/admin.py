"""The routes for those who look after both queues."""

from __future__ import annotations

from fastapi import APIRouter, Request

from jobline.v1 import ingestion_service_pb2 as pb
from jobline_gateway import described
from jobline_gateway.auth import is_text
from jobline_gateway.body import BodyError, parse_json_object
from jobline_gateway.problems import Problem
from jobline_gateway.service_client import ServiceError
from jobline_gateway.surfaces.ingestion import convert, responses, schemas
from jobline_gateway.surfaces.ingestion.desk import DeskOf
from jobline_gateway.surfaces.ingestion.surface import ADMIN, JOB_ID_REQUIRED

__all__ = ["router"]

RECENT_JOBS = 20
CANNOT_CANCEL = "Can only cancel PENDING or PROCESSING jobs"
#: No job has it; asked for in place of what no id can be, it lets the queue service make its checks in their order.
NO_ID = "-"

router = APIRouter(tags=["database queue: admin"])


@router.get(
    f"{ADMIN}/stats",
    summary="Both queues in numbers",
    responses={**described.answer(200, "For managers and admins.", responses.STATS), **responses.COMMON_ADMIN},
)
async def get_stats(desk: DeskOf) -> schemas.Stats:
    wanted = pb.GetIngestionStatsRequest(recent=RECENT_JOBS)
    return convert.stats(await desk.call(lambda link: link.ingestion.GetIngestionStats, wanted))


@router.post(
    f"{ADMIN}/retry",
    summary="Put a failed or cancelled job back",
    openapi_extra=responses.ACT_INPUT,
    responses={
        **described.answer(200, "Pending again, with its original payload.", responses.ACTED),
        **responses.CHANGING_ADMIN,
        **responses.NOT_RETRIED,
        **responses.NO_SUCH_JOB,
    },
)
async def retry(request: Request, desk: DeskOf) -> schemas.Done:
    job_id = await _job_id(request)
    wanted = pb.RetryIngestionJobRequest(id=job_id)
    try:
        await desk.call(lambda link: link.ingestion.RetryIngestionJob, wanted, repeatable=False)
    except ServiceError as error:
        state = error.metadata.get("state")
        raise _refusal(error, f"Job is in {state} status, can only retry FAILED jobs") from error
    return schemas.Done(success=True, job_id=job_id)


@router.post(
    f"{ADMIN}/cancel",
    summary="Cancel a pending or running job",
    openapi_extra=responses.ACT_INPUT,
    responses={
        **described.answer(200, "Failed, with the reason in its result.", responses.ACTED),
        **responses.CHANGING_ADMIN,
        **responses.CANNOT_CANCEL,
        **responses.NO_SUCH_JOB,
    },
)
async def cancel(request: Request, desk: DeskOf) -> schemas.Done:
    job_id = await _job_id(request)
    wanted = pb.CancelIngestionJobRequest(id=job_id)
    try:
        await desk.call(lambda link: link.ingestion.CancelIngestionJob, wanted, repeatable=False)
    except ServiceError as error:
        raise _refusal(error, CANNOT_CANCEL) from error
    return schemas.Done(success=True, job_id=job_id)


async def _job_id(request: Request) -> str:
    """The id in the query, else in the body; empty when there is none in either, which the queue service refuses once it
    has checked the caller's role."""
    given = request.query_params.get("jobId") or await _job_id_in_body(request)
    if not given:
        return ""
    # An id may be asked for in any case of its letters; it has only one.
    return given.lower() if is_text(given, schemas.MAX_ID) else NO_ID


async def _job_id_in_body(request: Request) -> str:
    try:
        value = parse_json_object(await request.body()).get("jobId")
    except BodyError:
        return ""
    return value if isinstance(value, str) else ""


def _refusal(error: ServiceError, wrong_status: str) -> Exception:
    match error.reason:
        case "ILLEGAL_TRANSITION":
            return Problem(400, wrong_status)
        case "INVALID_FIELD":
            return Problem(400, JOB_ID_REQUIRED)
    return error
