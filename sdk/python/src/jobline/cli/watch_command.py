"""`jobline jobs watch`: a live picture on a terminal, one line a change anywhere else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from threading import Event, Thread
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
from jobline.client import Change, Job, JoblineClient
from jobline.errors import JoblineError

__all__ = ["watch"]

_FRAMES_PER_SECOND = 4
_POSITIONS_EVERY_SECONDS = 1.0
_READERS = 8


def watch(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]…", help="Ends when all of them have ended; none: goes on.")
    ] = None,
    queue: Annotated[str, typer.Option("--queue", help="Only this queue.")] = "",
    owner: Annotated[str, typer.Option("--owner", help="Only this owner.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Watch jobs live: state, position, step, progress, attempt, age. With --json, or in a pipe, one line a change."""
    screen = console()
    with connect() as client:
        # A watch waits long for a service that went away; one that was never there is an error at once.
        client.list_queues()
        changes = client.watch(ids or [], queue=queue, owner=owner)
        if as_json:
            _print_documents(changes)
        elif screen.is_terminal:
            _show_live(client, changes, JobBoard(ids or []), screen)
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


def _show_live(
    client: JoblineClient,
    changes: Iterable[Change],
    board: JobBoard,
    screen: Console,
) -> None:
    picture = Live(
        get_renderable=lambda: board.render(datetime.now(UTC), screen.size),
        console=screen,
        refresh_per_second=_FRAMES_PER_SECOND,
    )
    with picture, _positions_read_anew(client, board, screen):
        for change in changes:
            board.apply(change)


@contextmanager
def _positions_read_anew(client: JoblineClient, board: JobBoard, screen: Console) -> Iterator[None]:
    """Reads positions once a second: a job moves up without a change of its own.

    All are read before any is shown, and those of the next screenful too, so that numbers of one picture fit together.
    """
    stop = Event()

    def read() -> None:
        with ThreadPoolExecutor(_READERS) as pool:
            while not stop.wait(_POSITIONS_EVERY_SECONDS):
                found = pool.map(partial(_job_or_none, client), board.waiting(2 * screen.height))
                board.place([job for job in found if job is not None])

    reader = Thread(target=read, name="positions", daemon=True)
    reader.start()
    try:
        yield
    finally:
        stop.set()
        reader.join()


def _job_or_none(client: JoblineClient, job_id: str) -> Job | None:
    """None for a job that is gone, or a service that is: the watch itself tells of both."""
    try:
        return client.get(job_id).job
    except JoblineError:
        return None
