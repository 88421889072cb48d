"""The routes of jobs: read the request, make one call, convert the answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from jobline.v1 import content_service_pb2 as pb
from jobline_gateway import described
from jobline_gateway.checking import validated
from jobline_gateway.dependencies import ContextOf, QueueOf
from jobline_gateway.openapi import BY_TOKEN
from jobline_gateway.paging import link_next
from jobline_gateway.problems import Problem
from jobline_gateway.service_client import ServiceError
from jobline_gateway.surfaces.content import convert, responses, schemas
from jobline_gateway.surfaces.content.surface import BASE, NOT_CANCELLABLE, NOT_FAILED, user_required
from jobline_gateway.surfaces.content.validation import parse_content_generation, parse_website_analysis

__all__ = ["PublicUrl", "router"]

router = APIRouter(tags=["jobs API"])


async def _public_url(request: Request) -> str:
    """What absolute links begin with: as configured, else as the client has called us."""
    configured: str = request.app.state.public_url
    return configured or str(request.base_url).rstrip("/")


PublicUrl = Annotated[str, Depends(_public_url)]


@router.post(
    f"{BASE}/website-analysis",
    status_code=201,
    summary="Analyse a website",
    openapi_extra=described.request_body("WebsiteAnalysis"),
    responses={
        **described.answer(201, "Queued.", responses.ACCEPTED),
        **responses.CHANGING,
        **responses.NO_BROKER,
        **responses.BAD_URL,
    },
)
async def analyse_website(request: Request, queue: QueueOf, context: ContextOf) -> schemas.CreatedJob:
    wanted = convert.analysis_request(parse_website_analysis(await request.body()))
    created = await queue.call(lambda link: link.content.CreateWebsiteAnalysis, wanted, context)
    return schemas.CreatedJob(job_id=created.id)


@router.post(
    f"{BASE}/content-generation",
    status_code=201,
    summary="Write a text",
    openapi_extra={**described.request_body("ContentGeneration"), "security": BY_TOKEN},
    responses={
        **described.answer(201, "Queued.", responses.ACCEPTED),
        **responses.CHANGING,
        **responses.NO_BROKER,
        **responses.NO_USER,
        **responses.BAD_DATA,
        **responses.NO_SUCH_ORGANIZATION,
    },
)
async def generate_content(request: Request, queue: QueueOf, context: ContextOf) -> schemas.CreatedJob:
    if context.caller is None or not context.caller.sub:
        raise user_required()
    wanted = convert.generation_request(parse_content_generation(await request.body()))
    created = await queue.call(lambda link: link.content.CreateContentGeneration, wanted, context)
    return schemas.CreatedJob(job_id=created.id)


@router.get(
    BASE,
    summary="The caller's jobs, newest first",
    openapi_extra=described.query_parameters(schemas.ListQuery),
    responses={
        **described.page("At most `limit` jobs (20).", responses.PAGE),
        **responses.COMMON,
        **responses.BAD_QUERY,
    },
)
async def list_jobs(request: Request, response: Response, queue: QueueOf, context: ContextOf) -> schemas.JobPage:
    wanted = convert.list_request(validated(schemas.ListQuery, request.query_params))
    found = await queue.call(lambda link: link.content.ListContentJobs, wanted, context)
    link_next(request, response, found.next_page_token)
    return convert.jobs(found)


@router.get(
    f"{BASE}/{{jobId}}/status",
    summary="A job as it is now",
    responses={
        **described.answer(200, "All keys always.", responses.RUNNING),
        **responses.COMMON,
        **responses.NO_SUCH_JOB,
    },
)
async def get_status(jobId: str, queue: QueueOf, context: ContextOf, public_url: PublicUrl) -> schemas.JobStatus:
    found = await queue.call(lambda link: link.content.GetContentJob, pb.GetContentJobRequest(id=jobId), context)
    return convert.job(found.job, public_url)


@router.post(
    f"{BASE}/{{jobId}}/retry",
    summary="Queue a failed or cancelled job again",
    responses={
        **described.answer(200, "Queued again, under the same id.", responses.ACCEPTED),
        **responses.CHANGING,
        **responses.NO_BROKER,
        **responses.NOT_RETRIED,
        **responses.NO_SUCH_JOB,
    },
)
async def retry(jobId: str, queue: QueueOf, context: ContextOf) -> schemas.CreatedJob:
    wanted = pb.RetryContentJobRequest(id=jobId)
    try:
        await queue.call(lambda link: link.content.RetryContentJob, wanted, context, repeatable=False)
    except ServiceError as error:
        raise _not_allowed(error, NOT_FAILED) from error
    # An id may be asked for in any case of its letters; it has only one.
    return schemas.CreatedJob(job_id=jobId.lower())


@router.post(
    f"{BASE}/{{jobId}}/cancel",
    summary="Cancel a queued or running job",
    responses={
        **described.answer(200, "At once, or at the end of the running step.", responses.CANCELLED),
        **responses.CHANGING,
        **responses.NOT_CANCELLED,
        **responses.NO_SUCH_JOB,
    },
)
async def cancel(jobId: str, queue: QueueOf, context: ContextOf) -> schemas.CancelledJob:
    wanted = pb.CancelContentJobRequest(id=jobId)
    try:
        await queue.call(lambda link: link.content.CancelContentJob, wanted, context, repeatable=False)
    except ServiceError as error:
        raise _not_allowed(error, NOT_CANCELLABLE) from error
    return schemas.CancelledJob(cancelled=True)


def _not_allowed(error: ServiceError, text: str) -> Exception:
    """What is said when the job's status does not allow the act; other errors stay as they are."""
    return Problem(400, text) if error.reason == "ILLEGAL_TRANSITION" else error
