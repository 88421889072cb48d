"""The routes that change something: read the request, make one call, convert the answer.

An act that the job's status does not allow is answered 200 with `success: false`, as the specification wants it:
clients read the answered call and treat other statuses as faults.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from jobline.v1 import communication_service_pb2 as pb
from jobline.v1.worker_control_service_pb2 import ProcessNowRequest
from jobline_gateway import described
from jobline_gateway.dependencies import ContextOf, WorkerOf
from jobline_gateway.hang_up import while_connected
from jobline_gateway.problems import Problem
from jobline_gateway.service_client import CallContext, ServiceError
from jobline_gateway.surfaces.communications import convert, responses, schemas
from jobline_gateway.surfaces.communications.desk import DeskOf
from jobline_gateway.surfaces.communications.paths import BASE, BUSINESS, JOB
from jobline_gateway.surfaces.communications.validation import parse_new_message, parse_retry_failed

__all__ = ["router"]

QUEUE = "communications"
#: Seconds for a retry of all failed jobs, which is work for as long as there are some: thousands a second.
RETRY_DEADLINE = 600.0

router = APIRouter(tags=["communication queue"])


@router.post(
    f"{BUSINESS}/communications",
    status_code=201,
    summary="Send a message to a customer",
    response_model_exclude_none=True,
    openapi_extra=described.request_body("NewMessage"),
    responses={
        **described.answer(201, "Queued.", responses.ACCEPTED),
        **responses.CHANGING,
        **responses.BAD_MESSAGE,
    },
)
async def submit(request: Request, desk: DeskOf) -> schemas.Accepted:
    async with desk.reading_input(pb.ACTION_CREATE):
        message = parse_new_message(await request.body())
    wanted = convert.submit_request(desk.business_id, message)
    stored = await desk.call(lambda link: link.communications.SubmitMessages, wanted)
    job = convert.job(stored.messages[0])
    return schemas.Accepted(communication_id=job.communication_id, job=job)


@router.post(
    f"{JOB}/retry",
    summary="Queue a failed or cancelled job again",
    response_model_exclude_none=True,
    responses={
        **described.answer(200, "Queued again; or `success: false` in another status.", responses.RETRIED),
        **responses.CHANGING,
        **responses.NO_JOB,
    },
)
async def retry(id: str, desk: DeskOf) -> schemas.Outcome:
    wanted = pb.RetryMessageRequest(business_id=desk.business_id, id=id)
    try:
        done = await desk.call(lambda link: link.communications.RetryMessage, wanted, job_id=id, repeatable=False)
    except ServiceError as error:
        return _not_allowed(error, id, "retried")
    message = "Job successfully queued for retry"
    return schemas.Outcome(success=True, message=message, job=convert.job(done.message))


@router.post(
    f"{JOB}/cancel",
    summary="Cancel a pending or processing job",
    response_model_exclude_none=True,
    responses={
        **described.answer(200, "Cancelled at once; or `success: false` in another status.", responses.CANCELLED),
        **responses.CHANGING,
        **responses.NO_JOB,
    },
)
async def cancel(id: str, desk: DeskOf) -> schemas.Outcome:
    wanted = pb.CancelMessageRequest(business_id=desk.business_id, id=id)
    try:
        done = await desk.call(lambda link: link.communications.CancelMessage, wanted, job_id=id, repeatable=False)
    except ServiceError as error:
        return _not_allowed(error, id, "cancelled")
    return schemas.Outcome(success=True, message="Job cancelled successfully", job=convert.job(done.message))


def _not_allowed(error: ServiceError, job_id: str, act: str) -> schemas.Outcome:
    """What is said when the job's status does not allow the act; other errors pass."""
    if error.reason != "ILLEGAL_TRANSITION":
        raise error
    status = error.metadata["state"]
    message = f"Job {job_id} cannot be {act} (current status: {status})"
    return schemas.Outcome(success=False, message=message)


@router.delete(
    JOB,
    status_code=204,
    summary="Remove a job and its history",
    responses={204: {"description": "Gone."}, **responses.CHANGING, **responses.NO_JOB},
)
async def delete(id: str, desk: DeskOf) -> Response:
    wanted = pb.DeleteMessageRequest(business_id=desk.business_id, id=id)
    await desk.call(lambda link: link.communications.DeleteMessage, wanted, job_id=id, repeatable=False)
    return Response(status_code=204)


@router.post(
    f"{BASE}/retry-failed",
    summary="Queue many failed jobs again",
    response_model_exclude_none=True,
    openapi_extra=described.request_body("RetryFailed", required=False),
    responses={
        **described.answer(200, "What was retried, or would be.", responses.RETRIED_FAILED),
        **responses.CHANGING,
        **responses.BAD_CONDITIONS,
        **responses.COUNT_CHANGED,
    },
)
async def retry_failed(request: Request, desk: DeskOf) -> schemas.RetriedFailed:
    async with desk.reading_input(pb.ACTION_RETRY):
        conditions = parse_retry_failed(await request.body())
    wanted = convert.retry_request(desk.business_id, conditions)
    try:
        retrying = desk.call(
            lambda link: link.communications.RetryFailedMessages,
            wanted,
            repeatable=wanted.dry_run,
            deadline=RETRY_DEADLINE,
        )
        done = await while_connected(request, retrying)
    except ServiceError as error:
        if error.reason != "COUNT_CHANGED":
            raise
        found = error.metadata["count"]
        raise Problem(409, f"expectedCount is {conditions.expected_count}, but {found} jobs match") from error
    sample = [convert.job(message) for message in done.sample]
    return schemas.RetriedFailed(success=True, dry_run=wanted.dry_run, count=done.count, sample=sample)


@router.post(
    f"{BASE}/process-now",
    summary="Attempt every due job of the business once, now",
    response_model_exclude_none=True,
    responses={
        **described.answer(200, "All were attempted; failing sends change nothing here.", responses.PROCESSED),
        **responses.CHANGING,
    },
)
async def process_now(
    request: Request,
    desk: DeskOf,
    worker: WorkerOf,
    context: ContextOf,
) -> schemas.Outcome:
    await desk.require(pb.ACTION_PROCESS)
    wanted = ProcessNowRequest(queue=QUEUE, owner=f"business:{desk.business_id}")
    # The worker service knows no users.
    own = CallContext(caller=None, correlation_id=context.correlation_id)
    await while_connected(request, worker.call(lambda link: link.control.ProcessNow, wanted, own, repeatable=False))
    return schemas.Outcome(success=True, message="Queue processing completed")
