"""The jobs that a filter chooses as a CSV file, written page by page: any number takes the memory of one page."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from typing import Self

from fastapi.responses import StreamingResponse

from jobline.v1 import job_service_pb2 as pb
from jobline_gateway.monitor import job_json, schemas
from jobline_gateway.problems import Problem
from jobline_gateway.queue_client import SEARCH_DEADLINE, QueueClient
from jobline_gateway.service_client import CallContext
from jobline_gateway.spreadsheet import csv_lines

__all__ = ["JobTable"]

MAX_ROWS = 100_000
PAGE_SIZE = 500

COLUMNS = (
    "id",
    "queue",
    "kind",
    "owner",
    "state",
    "priority",
    "attempt",
    "maxAttempts",
    "position",
    "step",
    "current",
    "total",
    "message",
    "errorCode",
    "errorMessage",
    "createdAt",
    "runAt",
    "startedAt",
    "finishedAt",
    "updatedAt",
    "worker",
    "cancelRequestedAt",
    "labels",
    "correlationId",
    "concurrencyKey",
)


class JobTable(StreamingResponse):
    """One row a job."""

    media_type = "text/csv"

    def __init__(self, lines: AsyncGenerator[str, None]) -> None:
        super().__init__(lines, headers={"content-disposition": 'attachment; filename="jobs.csv"'})

    @classmethod
    async def begun(cls, queue: QueueClient, context: CallContext, wanted: pb.ListJobsRequest) -> Self:
        """Waits for the first page: so long a refusal can still be an answer. Problem 422 rather than leave any job out."""
        counted = pb.CountJobsRequest(filter=wanted.filter)
        chosen = await queue.call(lambda link: link.jobs.CountJobs, counted, context, try_deadline=SEARCH_DEADLINE)
        if chosen.count > MAX_ROWS:
            raise Problem(
                422,
                f"The filter chooses {chosen.count} jobs, and a table has at most {MAX_ROWS} rows: narrow the filter",
            )
        pages = _pages(queue, context, wanted)
        return cls(_written(await anext(pages), pages))


async def _pages(
    queue: QueueClient, context: CallContext, wanted: pb.ListJobsRequest
) -> AsyncGenerator[pb.ListJobsResponse, None]:
    """All pages from the first one on, as many as `MAX_ROWS` jobs fill: there may be more jobs by now than were counted."""
    wanted.page_size = PAGE_SIZE
    wanted.page_token = ""
    for _ in range(MAX_ROWS // PAGE_SIZE):
        page = await queue.call(lambda link: link.jobs.ListJobs, wanted, context, try_deadline=SEARCH_DEADLINE)
        yield page
        if not page.next_page_token:
            return
        wanted.page_token = page.next_page_token


async def _written(
    first: pb.ListJobsResponse, rest: AsyncGenerator[pb.ListJobsResponse, None]
) -> AsyncGenerator[str, None]:
    yield csv_lines([COLUMNS]) + csv_lines(_rows(first))
    async for page in rest:
        yield csv_lines(_rows(page))


def _rows(page: pb.ListJobsResponse) -> Iterator[list[object]]:
    return (_cells(job_json.job(found)) for found in page.jobs)


def _cells(job: schemas.Job) -> list[object]:
    known = job.model_dump(mode="json", by_alias=True)
    error, progress = known["error"] or {}, known["progress"] or {}
    known |= {"errorCode": error.get("code"), "errorMessage": error.get("message"), **progress}
    known["labels"] = json.dumps(job.labels, ensure_ascii=False) if job.labels else None
    return [known.get(column) for column in COLUMNS]
