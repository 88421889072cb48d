"""`jobline events`: what was done to jobs, queues and workers, by whom."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer
from rich.table import Table

from jobline.cli.clock import clock_time
from jobline.cli.connection import connect
from jobline.cli.documents import document
from jobline.cli.output import JsonOption, print_document, print_page
from jobline.cli.terminal_text import plain
from jobline.client import JobEvent

__all__ = ["events"]

_LARGEST_PAGE = 500


def events(
    queue: Annotated[str, typer.Option("--queue", help="Only of this queue.")] = "",
    actor: Annotated[str, typer.Option("--actor", help="Only by user:ID or service:NAME.")] = "",
    name: Annotated[str, typer.Option("--name", help="Only this act: cancelled, retried, paused …")] = "",
    with_system: Annotated[bool, typer.Option("--all", help="Also what the service did by itself.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show what was done to jobs, queues and workers, and by whom, the newest first."""
    with connect() as client:
        size = min(limit, _LARGEST_PAGE)
        matching = client.list_events(queue=queue, actor=actor, name=name, with_system=with_system, page_size=size)
        found = list(islice(matching, limit))
    if as_json:
        print_document({"events": document(found)})
    else:
        print_page(_table(found))


def _table(found: list[JobEvent]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("time", "act", "by", "queue", "job"):
        table.add_column(column, no_wrap=True)
    table.add_column("detail", overflow="fold")
    for event in found:
        time = clock_time(event.time) if event.time else ""
        table.add_row(time, *map(plain, (event.name, event.actor, event.queue, event.job_id, event.detail)))
    return table
