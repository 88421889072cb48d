"""`jobs show` and `jobs explain`: everything about one job on a page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from jobline.cli.clock import clock_time, since
from jobline.cli.etas import eta_text
from jobline.cli.job_tables import state_text
from jobline.cli.story import JobStory, TimelineEntry, timeline
from jobline.cli.terminal_text import plain
from jobline.cli.verdict import advice, verdict
from jobline.client import Job, Progress

__all__ = ["explain_page", "show_page"]

#: `explain` promises one screen.
_EXPLAINED_ENTRIES = 12


def show_page(story: JobStory, now: datetime) -> RenderableType:
    """The job's fields, input and output, then its timeline."""
    parts: list[RenderableType] = []
    if story.job is None:
        parts.append(plain(verdict(story, now), "bold"))
    else:
        parts.append(_fields(story.job, now))
        parts.extend(_json_block("payload", story.job.payload_json))
        parts.extend(_json_block("result", story.job.result_json))
    return Group(*parts, Text("\ntimeline", style="bold"), _timeline_table(timeline(story)))


def explain_page(story: JobStory, now: datetime) -> RenderableType:
    """The verdict, what the job waits for, what to do, and the end of its timeline."""
    parts: list[RenderableType] = [plain(verdict(story, now), "bold")]
    if story.waiting_for:
        parts.append(_wait_table(story))
    if story.job is not None and (eta := eta_text(story.job.eta)):
        parts.append(plain(f"Ends in: {eta}"))
    if hint := advice(story):
        parts.append(plain(f"Next: {hint}"))
    entries = timeline(story)
    hidden = len(entries) - _EXPLAINED_ENTRIES
    heading = f"\ntimeline ({hidden} earlier lines: jobline jobs show {story.id})" if hidden > 0 else "\ntimeline"
    return Group(*parts, plain(heading, "bold", keep_newlines=True), _timeline_table(entries[-_EXPLAINED_ENTRIES:]))


def _fields(job: Job, now: datetime) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("id", plain(job.id))
    table.add_row("state", state_text(job))
    for name, value in _field_texts(job, now):
        if value:
            table.add_row(name, plain(value))
    return table


def _field_texts(job: Job, now: datetime) -> Iterator[tuple[str, str]]:
    yield "queue", job.queue
    yield "kind", job.kind
    yield "owner", job.owner
    yield "position", str(job.position or "")
    yield "eta", eta_text(job.eta)
    yield "input_items", str(job.input_items or "")
    yield "priority", str(job.priority or "")
    yield "attempt", f"{job.attempt} of {job.max_attempts}"
    yield "progress", _progress(job.progress)
    if job.error:
        again = "another run may help" if job.error.retryable else "another run would not help"
        yield "error", f"{job.error.code}: {job.error.message} ({again})"
    if job.lease:
        received = "" if job.lease.received else ", not confirmed yet"
        yield "worker", f"{job.lease.worker} until {clock_time(job.lease.expires_at)}{received}"
    yield "concurrency_key", job.concurrency_key
    yield "idempotency_key", job.idempotency_key
    yield "correlation_id", job.correlation_id
    yield "labels", ", ".join(f"{key}={value}" for key, value in sorted(job.labels.items()))
    for name in ("created_at", "run_at", "started_at", "finished_at", "cancel_requested_at"):
        time = getattr(job, name)
        if time is not None:
            yield name, f"{clock_time(time)} ({_relative(time, now)})"


def _relative(time: datetime, now: datetime) -> str:
    return f"{since(time, now)} ago" if time <= now else f"in {since(now, time)}"


def _progress(progress: Progress | None) -> str:
    if progress is None:
        return ""
    units = f"{progress.current}/{progress.total}" if progress.total else ""
    return " ".join(part for part in (progress.step, units, progress.message) if part)


def _json_block(title: str, text: str) -> Iterator[RenderableType]:
    if not text:
        return
    yield Text(f"\n{title}", style="bold")
    yield plain(_indented(text), keep_newlines=True)


def _indented(text: str) -> str:
    """JSON on several lines, as it came when it cannot be read: a page must show the job that is broken, too."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _wait_table(story: JobStory) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="yellow")
    table.add_column(overflow="fold")
    for reason in story.waiting_for:
        table.add_row(plain(reason.code), plain(reason.detail))
    return table


def _timeline_table(entries: list[TimelineEntry]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for entry in entries:
        time = clock_time(entry.time) if entry.time else ""
        table.add_row(time, plain(entry.what), plain(entry.detail))
    return table
