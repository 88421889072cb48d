"""`jobline jobs`: look at jobs, and act on them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer

from jobline.cli.bulk_act import CANCEL, RETRY, act_in_bulk
from jobline.cli.connection import connect
from jobline.cli.documents import document
from jobline.cli.job_filters import takes_filter
from jobline.cli.job_pages import explain_page, show_page
from jobline.cli.list_command import list_jobs
from jobline.cli.output import JsonOption, print_document, print_page
from jobline.cli.story import JobStory, read_story
from jobline.cli.terminal_text import plain
from jobline.cli.verdict import verdict
from jobline.cli.watch_command import watch
from jobline.client import Job, JobFilter, JobState

__all__ = ["jobs"]

jobs = typer.Typer(no_args_is_help=True, help="Jobs: look at them, and act on them.")
jobs.command("list")(list_jobs)
jobs.command()(watch)

JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id.")]
OptionalJobId = Annotated[
    str | None, typer.Argument(metavar="ID", help="The job's id; none with options that choose jobs.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Of many jobs, only say how many it would be.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Of many jobs, do not ask.")]


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
@takes_filter
def cancel(
    where: JobFilter,
    job_id: OptionalJobId = None,
    reason: Annotated[str, typer.Option("--reason", help="For the history; at most 255 characters.")] = "",
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Cancel a job that waits, or ask a running one to stop if its queue allows that; or all that options choose."""
    _check_one_way(job_id, where, dry_run=dry_run)
    with connect() as client:
        if job_id:
            _tell(client.cancel(job_id, reason), as_json)
        else:
            act_in_bulk(partial(client.cancel_jobs, where, reason), CANCEL, dry_run=dry_run, yes=yes, as_json=as_json)


@jobs.command()
@takes_filter
def retry(
    where: JobFilter,
    job_id: OptionalJobId = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Put a failed or cancelled job back into its queue; or all that options choose."""
    _check_one_way(job_id, where, dry_run=dry_run)
    with connect() as client:
        if job_id:
            _tell(client.retry(job_id), as_json)
        else:
            act_in_bulk(partial(client.retry_jobs, where), RETRY, dry_run=dry_run, yes=yes, as_json=as_json)


def _check_one_way(job_id: str | None, where: JobFilter, *, dry_run: bool) -> None:
    if bool(job_id) == (where != JobFilter()):
        raise typer.BadParameter("expected the ID of a job, or options that choose jobs")
    if job_id and dry_run:
        raise typer.BadParameter("--dry-run is for options that choose jobs")


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
