"""`jobline workers`: who is connected, and how to take one out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Group

from jobline.cli.connection import connect
from jobline.cli.documents import document
from jobline.cli.output import JsonOption, print_document, print_page
from jobline.cli.queue_tables import held_table, worker_table

__all__ = ["workers"]

workers = typer.Typer(no_args_is_help=True, help="Connected workers.")


@workers.command("list")
def list_workers(
    jobs: Annotated[bool, typer.Option("--jobs", help="Also the jobs that each of them holds.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show every connected worker session."""
    with connect() as client:
        found = client.list_workers(with_jobs=jobs)
    now = datetime.now(UTC)
    if as_json:
        print_document({"workers": [document(worker) for worker in found]})
    elif jobs:
        print_page(Group(worker_table(found, now), "", held_table(found, now)))
    else:
        print_page(worker_table(found, now))


@workers.command()
def drain(
    worker: Annotated[str, typer.Argument(metavar="WORKER", help="A session id, or a name: then all of that name.")],
    as_json: JsonOption = False,
) -> None:
    """Tell a worker to take no more jobs, finish what it holds and leave."""
    with connect() as client:
        told = client.drain_worker(worker)
    if as_json:
        print_document({"workers": [document(session) for session in told]})
    else:
        print_page(worker_table(told, datetime.now(UTC)))
