"""The routes that load records, and the ingest jobs that this makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fastapi import APIRouter, Request

from jobline.v1 import ingestion_service_pb2 as pb
from jobline_gateway import described
from jobline_gateway.auth import is_text
from jobline_gateway.checking import parse_object, validated
from jobline_gateway.problems import Problem
from jobline_gateway.service_client import ServiceError
from jobline_gateway.surfaces.ingestion import convert, responses, schemas
from jobline_gateway.surfaces.ingestion.chunks import chunks
from jobline_gateway.surfaces.ingestion.csv_file import NotACsv, read_csv
from jobline_gateway.surfaces.ingestion.csv_form import read_form
from jobline_gateway.surfaces.ingestion.desk import Desk, DeskOf
from jobline_gateway.surfaces.ingestion.json_records import read_body
from jobline_gateway.surfaces.ingestion.reading import in_the_reading_thread
from jobline_gateway.surfaces.ingestion.surface import INGEST, JOB_ID_REQUIRED, NO_JOB, PROJECT_ID_REQUIRED

__all__ = ["router"]

NOT_ACTIVE = "Can only cancel active ingest jobs"

router = APIRouter(tags=["database queue"])


@router.post(
    f"{INGEST}/csv",
    summary="Load the rows of a CSV file",
    openapi_extra=responses.CSV_FORM,
    responses={
        **described.answer(200, "Queued.", responses.STARTED),
        **responses.CHANGING,
        **responses.BAD_FILE,
        **responses.NO_PROJECT,
        **responses.FILE_TOO_LARGE,
    },
)
async def load_csv(request: Request, desk: DeskOf) -> schemas.Started:
    form = await read_form(request)
    async with desk.reading_input(_project_id(form.project())):
        wanted = validated(schemas.Ingest, form.settings())
        try:
            records = await in_the_reading_thread(read_csv, form.file())
        except NotACsv as error:
            raise Problem(400, str(error)) from error
    source = form.name if is_text(form.name, schemas.MAX_URL) else ""
    return await _start(desk, convert.ingest(wanted, source), records.as_json)


@router.post(
    f"{INGEST}/api",
    summary="Load records from JSON",
    openapi_extra=described.request_body("JsonIngest"),
    responses={
        **described.answer(200, "Queued.", responses.STARTED),
        **responses.CHANGING,
        **responses.BAD_RECORDS,
        **responses.NO_PROJECT,
        **responses.RECORDS_TOO_LARGE,
    },
)
async def load_json(request: Request, desk: DeskOf) -> schemas.Started:
    body = await in_the_reading_thread(read_body, await request.body())
    async with desk.reading_input(_project_id(body.project())):
        wanted = validated(schemas.Ingest, body.settings())
        records = await in_the_reading_thread(body.record_list)
    return await _start(desk, convert.ingest(wanted, wanted.url or ""), lambda: map(bytes, records))


def _project_id(given: object) -> str:
    """The project whose owner is asked for if anything else is wrong. Raises Problem."""
    if not given:
        raise Problem(400, PROJECT_ID_REQUIRED)
    if not is_text(given, schemas.MAX_ID):
        raise Problem(400, f"projectId must be a string of 1 to {schemas.MAX_ID} characters")
    return given


async def _start(desk: Desk, beginning: pb.Ingest, records: Callable[[], Iterable[bytes]]) -> schemas.Started:
    started = await desk.upload(
        lambda link: link.ingestion.StartIngest, lambda: convert.ingest_messages(beginning, chunks(records()))
    )
    return schemas.Started(message="Ingestion started", job_id=started.job.id)


@router.get(
    f"{INGEST}/status",
    summary="An ingest job as it is now",
    openapi_extra=responses.JOB_ID_QUERY,
    responses={
        **described.answer(200, "All keys always.", responses.INGEST_JOB),
        **responses.COMMON,
        **responses.NO_JOB_ID,
        **responses.NO_SUCH_JOB,
    },
)
async def get_status(request: Request, desk: DeskOf) -> schemas.IngestJob:
    wanted = pb.GetIngestJobRequest(id=_job_id(request.query_params.get("jobId")))
    found = await desk.call(lambda link: link.ingestion.GetIngestJob, wanted)
    return convert.ingest_job(found.job)


@router.get(
    f"{INGEST}/jobs",
    summary="A project's last ingest jobs, newest first",
    openapi_extra=responses.PROJECT_ID_QUERY,
    responses={
        **described.answer(200, "At most 5.", [responses.INGEST_JOB]),
        **responses.COMMON,
        **responses.NO_PROJECT_ID,
        **responses.NO_PROJECT,
    },
)
async def list_jobs(request: Request, desk: DeskOf) -> list[schemas.IngestJob]:
    project_id = _project_id(request.query_params.get("projectId"))
    wanted = pb.ListIngestJobsRequest(project_id=project_id)
    found = await desk.call(lambda link: link.ingestion.ListIngestJobs, wanted)
    return [convert.ingest_job(job) for job in found.jobs]


@router.post(
    f"{INGEST}/cancel",
    summary="Cancel an ingest job",
    openapi_extra=described.request_body("JobId"),
    responses={
        **described.answer(200, "Its jobs are cancelled at once.", responses.ACTED),
        **responses.CHANGING,
        **responses.NOT_CANCELLED,
        **responses.NO_SUCH_JOB,
    },
)
async def cancel(request: Request, desk: DeskOf) -> schemas.Done:
    job_id = _job_id(parse_object(await request.body()).get("jobId"))
    wanted = pb.CancelIngestJobRequest(id=job_id)
    try:
        await desk.call(lambda link: link.ingestion.CancelIngestJob, wanted, repeatable=False)
    except ServiceError as error:
        raise Problem(400, NOT_ACTIVE) if error.reason == "ILLEGAL_TRANSITION" else error from error
    return schemas.Done(success=True, job_id=job_id)


def _job_id(given: object) -> str:
    """The id as it was given. Raises Problem where it cannot be one."""
    if not given or not isinstance(given, str):
        raise Problem(400, JOB_ID_REQUIRED)
    if not is_text(given, schemas.MAX_ID):
        raise Problem(404, NO_JOB)
    return given
