"""`jobline queues`: what waits where, what was done, pauses and limits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Group

from jobline.cli.connection import connect
from jobline.cli.documents import document
from jobline.cli.output import JsonOption, print_document, print_page
from jobline.cli.queue_tables import error_table, history_table, queue_table, trend_table
from jobline.cli.terminal_text import plain
from jobline.client import Queue

__all__ = ["queues"]

queues = typer.Typer(no_args_is_help=True, help="Queues: what waits and runs in them, pauses, limits.")

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


@queues.command()
def limit(
    queue: QueueName,
    jobs: Annotated[int | None, typer.Argument(metavar="JOBS", help="How many may run at once, 1-100000.")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Back to what the queue's policy says.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Let at most JOBS jobs of a queue run at once from now on. Running ones go on; survives restarts."""
    if (jobs is None) != reset:
        raise typer.BadParameter("expected a number of jobs, or --reset", param_hint="'JOBS'")
    with connect() as client:
        changed = client.set_queue_limit(queue, jobs)
    _tell(changed, as_json)


@queues.command()
def trends(
    queue: QueueName,
    hours: Annotated[float, typer.Option("--hours", min=1 / 60, max=192, help="How far back.")] = 1.0,
    points: Annotated[int, typer.Option("--points", min=1, max=500, help="Into how many lines, at most.")] = 12,
    as_json: JsonOption = False,
) -> None:
    """Show what a queue did lately: jobs stored, started and ended, how long they waited and ran, errors."""
    with connect() as client:
        (found,) = client.get_trends(queue, seconds=hours * 3600, points=points)
    if as_json:
        print_document({"trends": document(found)})
    elif found.errors:
        print_page(Group(trend_table(found), "", error_table(found.errors)))
    else:
        print_page(trend_table(found))


def _tell(queue: Queue, as_json: bool) -> None:
    if as_json:
        print_document({"queue": document(queue)})
        return
    stats = queue.stats
    state = "is paused" if queue.paused else "runs"
    limits = f"; at most {queue.policy.max_running} may run, set by an operator" if queue.limit_overridden else ""
    counts = f"{stats.ready} ready, {stats.delayed} delayed, {stats.running} running"
    print_page(plain(f"queue {queue.name} {state}: {counts}{limits}"))
