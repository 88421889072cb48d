"""`jobline jobs list`: jobs by filters, the newest first."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Annotated

import typer

from jobline.cli.connection import connect
from jobline.cli.documents import document
from jobline.cli.job_filters import STATE_WORDS, parse_labels, parse_states, parse_time
from jobline.cli.job_tables import job_table
from jobline.cli.output import JsonOption, console, print_document, print_page, remark

__all__ = ["list_jobs"]

_LARGEST_PAGE = 500


def list_jobs(
    queue: Annotated[str, typer.Option("--queue", help="Only this queue.")] = "",
    kind: Annotated[str, typer.Option("--kind", help="Only this kind.")] = "",
    owner: Annotated[str, typer.Option("--owner", help="Only this owner.")] = "",
    state: Annotated[
        list[str] | None, typer.Option("--state", help=f"{', '.join(STATE_WORDS)}; repeat for any of several.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="KEY=VALUE", help="Has this label; repeat for all of several."),
    ] = None,
    created_after: Annotated[str, typer.Option(help="A time (2026-11-22T03:00:00Z), or a span ago (2h).")] = "",
    created_before: Annotated[str, typer.Option(help="The same, the other way round.")] = "",
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0: all.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List jobs, the newest first."""
    now = datetime.now(UTC)
    states, labels = parse_states(state or ()), parse_labels(label or ())
    after = parse_time("--created-after", created_after, now)
    before = parse_time("--created-before", created_before, now)
    # One more than asked for, to know whether there are more.
    wanted = limit + 1 if limit else None
    with connect() as client:
        matching = client.list(
            queue=queue,
            kind=kind,
            owner=owner,
            states=states,
            labels=labels,
            created_after=after,
            created_before=before,
            page_size=min(wanted or _LARGEST_PAGE, _LARGEST_PAGE),
        )
        found = list(islice(matching, wanted))
    jobs, more = found[: limit or None], bool(limit) and len(found) > limit
    if as_json:
        print_document({"jobs": document(jobs), "more": more})
        return
    print_page(job_table(jobs, now, width=console().width))
    if more:
        remark(f"these are the newest {limit}; --limit N shows more, --limit 0 all")
