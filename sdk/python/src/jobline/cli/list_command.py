"""`jobline jobs list`: jobs by filters, the newest first unless another order is asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Annotated

import typer

from jobline.cli.connection import connect
from jobline.cli.documents import document
from jobline.cli.job_filters import takes_filter
from jobline.cli.job_tables import job_table
from jobline.cli.output import JsonOption, console, print_document, print_page, remark
from jobline.client import JobFilter, JobOrder

__all__ = ["list_jobs"]

_LARGEST_PAGE = 500


@takes_filter
def list_jobs(
    where: JobFilter,
    order: Annotated[JobOrder, typer.Option(help="Largest or latest first.")] = JobOrder.CREATED,
    ascending: Annotated[bool, typer.Option("--ascending", help="Smallest or earliest first.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0: all.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List jobs, the newest first."""
    # One more than asked for, to know whether there are more.
    wanted = limit + 1 if limit else None
    with connect() as client:
        size = min(wanted or _LARGEST_PAGE, _LARGEST_PAGE)
        found = list(islice(client.list_jobs(where, order=order, ascending=ascending, page_size=size), wanted))
    jobs, more = found[: limit or None], bool(limit) and len(found) > limit
    if as_json:
        print_document({"jobs": document(jobs), "more": more})
        return
    print_page(job_table(jobs, datetime.now(UTC), width=console().width))
    if more:
        remark(f"these are the first {limit}; --limit N shows more, --limit 0 all")
