"""`jobline queues`: what waits where, and pauses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from jobline.cli.connection import connect
from jobline.cli.documents import document
from jobline.cli.output import JsonOption, print_document, print_page
from jobline.cli.queue_tables import history_table, queue_table
from jobline.cli.terminal_text import plain
from jobline.client import Queue

__all__ = ["queues"]

queues = typer.Typer(no_args_is_help=True, help="Queues: what waits and runs in them, and pauses.")

QueueName = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name.")]


@queues.command("list")
def list_queues(as_json: JsonOption = False) -> None:
    """Show every queue: ready, delayed and running jobs, limit, age of the oldest ready job, free capacity, pause."""
    with connect() as client:
        found = client.list_queues()
    if as_json:
        print_document({"queues": [document(queue) for queue in found]})
    else:
        print_page(queue_table(found))


@queues.command()
def show(queue: QueueName, as_json: JsonOption = False) -> None:
    """Show one queue with what became of its jobs: failures, run time, the oldest one that waits."""
    with connect() as client:
        found = client.get_queue(queue, with_history=True)
    if as_json:
        print_document({"queue": document(found)})
    else:
        print_page(history_table(found, datetime.now(UTC)))


@queues.command()
def pause(
    queue: QueueName,
    reason: Annotated[str, typer.Option("--reason", help="For the history; at most 255 characters.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Stop handing out a queue's jobs. Running ones go on; enqueueing goes on; survives restarts."""
    with connect() as client:
        changed = client.pause_queue(queue, reason)
    _tell(changed, as_json)


@queues.command()
def resume(queue: QueueName, as_json: JsonOption = False) -> None:
    """End a pause."""
    with connect() as client:
        changed = client.resume_queue(queue)
    _tell(changed, as_json)


def _tell(queue: Queue, as_json: bool) -> None:
    if as_json:
        print_document({"queue": document(queue)})
        return
    stats = queue.stats
    state = "is paused" if queue.paused else "runs"
    print_page(
        plain(f"queue {queue.name} {state}: {stats.ready} ready, {stats.delayed} delayed, {stats.running} running")
    )
