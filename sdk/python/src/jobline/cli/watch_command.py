"""`jobline jobs watch`: a live picture on a terminal, one line a change anywhere else."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from jobline.cli.connection import connect
from jobline.cli.documents import document, to_json
from jobline.cli.job_board import JobBoard
from jobline.cli.job_tables import change_line
from jobline.cli.output import JsonOption, console
from jobline.cli.terminal_text import escape_controls
from jobline.client import Change

__all__ = ["watch"]

_FRAMES_PER_SECOND = 4


def watch(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]…", help="Ends when all of them have ended; none: goes on.")
    ] = None,
    queue: Annotated[list[str] | None, typer.Option("--queue", help="Only this queue; may be repeated.")] = None,
    owner: Annotated[str, typer.Option("--owner", help="Only this owner.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Watch jobs live: state, position, estimate, step, progress, attempt, age. In a pipe or with --json: a line a change."""
    screen = console()
    with connect() as client:
        # A watch waits long for a service that went away; one that was never there is an error at once.
        client.list_queues()
        live = screen.is_terminal and not as_json
        changes = client.watch(ids or [], queues=queue or [], owner=owner, places=live)
        if as_json:
            _print_documents(changes)
        elif live:
            _show_live(changes, JobBoard(ids or []), screen)
        else:
            _print_lines(changes)


def _print_documents(changes: Iterable[Change]) -> None:
    for change in changes:
        typer.echo(to_json(document(change), indent=None))


def _print_lines(changes: Iterable[Change]) -> None:
    for change in changes:
        now = datetime.now(UTC)
        if change.removed_id:
            typer.echo(escape_controls(f"{now:%Y-%m-%dT%H:%M:%SZ} {change.removed_id} removed"))
        if change.job is not None:
            typer.echo(change_line(change.job, now))


def _show_live(changes: Iterable[Change], board: JobBoard, screen: Console) -> None:
    picture = Live(
        get_renderable=lambda: board.render(datetime.now(UTC), screen.size),
        console=screen,
        refresh_per_second=_FRAMES_PER_SECOND,
    )
    with picture:
        for change in changes:
            board.apply(change, datetime.now(UTC))
