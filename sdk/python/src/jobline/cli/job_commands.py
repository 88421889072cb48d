"""`jobline jobs`: look at jobs, and act on them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from jobline.cli.connection import connect
from jobline.cli.documents import document
from jobline.cli.job_pages import explain_page, show_page
from jobline.cli.list_command import list_jobs
from jobline.cli.output import JsonOption, print_document, print_page
from jobline.cli.story import JobStory, read_story
from jobline.cli.terminal_text import plain
from jobline.cli.verdict import verdict
from jobline.cli.watch_command import watch
from jobline.client import Job, JobState

__all__ = ["jobs"]

jobs = typer.Typer(no_args_is_help=True, help="Jobs: look at them, and act on them.")
jobs.command("list")(list_jobs)
jobs.command()(watch)

JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id.")]


@jobs.command()
def show(job_id: JobId, as_json: JsonOption = False) -> None:
    """Show a job with its input, output and timeline."""
    with connect() as client:
        story = read_story(client, job_id)
    now = datetime.now(UTC)
    if as_json:
        print_document(_story_document(story, now))
    else:
        print_page(show_page(story, now))


@jobs.command()
def explain(job_id: JobId, as_json: JsonOption = False) -> None:
    """Say why a job does not run, or why it failed, and what to do."""
    with connect() as client:
        story = read_story(client, job_id)
    now = datetime.now(UTC)
    if as_json:
        print_document(_story_document(story, now))
    else:
        print_page(explain_page(story, now))


@jobs.command()
def cancel(
    job_id: JobId,
    reason: Annotated[str, typer.Option("--reason", help="For the job's history; at most 255 characters.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Cancel a job that waits, or ask a running one to stop if its queue allows that."""
    with connect() as client:
        _tell(client.cancel(job_id, reason), as_json)


@jobs.command()
def retry(job_id: JobId, as_json: JsonOption = False) -> None:
    """Put a failed or cancelled job back into its queue."""
    with connect() as client:
        _tell(client.retry(job_id), as_json)


def _tell(job: Job, as_json: bool) -> None:
    if as_json:
        print_document({"job": document(job)})
        return
    asked = job.state is JobState.RUNNING and job.cancel_requested_at is not None
    state = "runs and was asked to stop" if asked else f"is {job.state}"
    print_page(plain(f"job {job.id} {state}"))


def _story_document(story: JobStory, now: datetime) -> dict[str, object]:
    return {
        "job": document(story.job),
        "attempts": document(story.attempts),
        "steps": document(story.steps),
        "events": document(story.events),
        "waiting_for": document(story.waiting_for),
        "verdict": verdict(story, now),
    }
