"""`jobs explain` and `jobs show` tell the story of a job in the order in which it happened, the verdict first."""

from __future__ import annotations

import io
from datetime import datetime, timedelta

import pytest
from rich.console import Console, RenderableType

from jobline.cli.job_pages import explain_page, show_page
from jobline.cli.story import JobStory, timeline
from jobline.cli.verdict import advice, verdict
from jobline.client import Attempt, Job, JobError, JobEvent, JobState, Lease, Progress, Step, WaitReason
from support.job_values import CREATED, job_value

BEGIN = CREATED
NOW = BEGIN + timedelta(minutes=10)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def job(state: JobState, **fields: object) -> Job:
    return job_value("j1", state, **fields)


def story(of: Job | None, **parts: object) -> JobStory:
    return JobStory("j1", of, **parts)  # type: ignore[arg-type]


def text_of(page: RenderableType) -> str:
    output = io.StringIO()
    Console(file=output, width=100, markup=False, highlight=False).print(page)
    return output.getvalue()


LOST = JobError(code="WORKER_LOST", message="The lease lapsed.", retryable=True)
FIRST_RUN = Attempt(1, "w1", "s1", at(5), at(65), "lost", LOST, "research")


def event(seconds: float, name: str, actor: str = "", detail: str = "") -> JobEvent:
    return JobEvent(at(seconds), name, None, None, actor, detail, "", "")


def lease(expires: datetime | None = None) -> Lease:
    return Lease("w1", "s1", expires, True)


def test_runs_events_and_steps_are_one_timeline() -> None:
    done = job(
        JobState.SUCCEEDED, attempt=2, started_at=at(70), finished_at=at(80), progress=Progress("write", 0, 0, "")
    )
    entries = timeline(
        story(
            done,
            attempts=[FIRST_RUN, Attempt(2, "w2", "s2", at(70), at(80), "succeeded", None, "write")],
            events=[event(0, "enqueued", "service:shop")],
            steps=[Step("research", "{}", 4, at(74), 2)],
        )
    )
    assert [entry.what for entry in entries] == [
        "enqueued",
        "run 1 started",
        "run 1 lost",
        "run 2 started",
        "step research done",
        "run 2 succeeded",
    ]
    assert entries[2].detail == "after 1m, in step research: WORKER_LOST The lease lapsed."


def test_a_run_that_goes_on_has_a_beginning_and_its_steps_but_no_end() -> None:
    running = job(JobState.RUNNING, attempt=1, started_at=at(5), lease=lease())
    going = Attempt(1, "w1", "s1", at(5), None, "", None, "write")
    entries = timeline(story(running, attempts=[going], steps=[Step("research", "{}", 1.5, at(9), 1)]))
    assert [(entry.what, entry.detail) for entry in entries] == [
        ("enqueued", ""),
        ("run 1 started", "on worker w1"),
        ("step research done", "took 1.5s"),
    ]


@pytest.mark.parametrize(
    ("code", "detail", "next_step"),
    [
        ("QUEUE_PAUSED", "Queue q1 is paused by service:ops: maintenance.", "jobline queues resume q1"),
        ("NO_WORKER", "No connected worker takes kind k of queue q1.", "jobline workers list"),
        ("BACKOFF", "The next run is due in 40 s.", ""),
    ],
)
def test_a_job_that_waits_is_explained_by_its_first_reason(code: str, detail: str, next_step: str) -> None:
    waiting = story(
        job(JobState.PENDING, run_at=at(0)),
        waiting_for=[
            WaitReason(code, detail),
            WaitReason("BEHIND_OTHERS", "3 jobs come first."),
        ],
    )
    assert verdict(waiting, NOW) == f"Not running: {detail}"
    assert advice(waiting).startswith(next_step)
    lines = text_of(explain_page(waiting, NOW)).splitlines()
    assert lines[0].rstrip() == f"Not running: {detail}"
    assert code in lines[1]
    assert "BEHIND_OTHERS" in lines[2]


def test_a_job_whose_key_is_taken_sends_people_to_the_job_that_holds_it() -> None:
    held = WaitReason("KEY_LIMIT", "key 'k' is held by job J1; at most 1 of it at once", job_ids=("J1", "J2"), count=1)
    assert advice(story(job(JobState.PENDING, run_at=at(0)), waiting_for=[held])) == "jobline jobs explain J1"


def test_a_delayed_job_tells_its_place_in_line() -> None:
    delayed = WaitReason("DELAYED", "not due before 2026-11-22 04:00:00 UTC", until=at(3600))
    told = verdict(story(job(JobState.PENDING, run_at=at(3600), position=7), waiting_for=[delayed]), NOW)
    assert told == "Not running: not due before 2026-11-22 04:00:00 UTC. It is number 7 in line."


def test_a_job_that_waits_for_its_next_run_tells_the_last_error() -> None:
    waiting = story(job(JobState.PENDING, attempt=1, error=LOST, run_at=at(0)))
    assert "Run 1 failed: WORKER_LOST (The lease lapsed.)." in verdict(waiting, NOW)


def test_a_failed_job_says_where_why_and_whether_a_retry_may_help() -> None:
    error = JobError("PROVIDER_ERROR", "503 from the model", True)
    failed = job(
        JobState.FAILED,
        attempt=3,
        error=error,
        started_at=at(530),
        finished_at=at(540),
        progress=Progress("write", 0, 0, ""),
    )
    assert verdict(story(failed), NOW) == (
        "Failed 1m ago in step write, run 3 of 3: PROVIDER_ERROR (503 from the model)."
        " The system does not run it again: no runs are left."
    )
    assert advice(story(failed)) == "jobline jobs retry j1"


def test_a_running_job_whose_worker_is_silent_is_told_as_such() -> None:
    running = job(
        JobState.RUNNING,
        attempt=1,
        started_at=at(500),
        lease=lease(at(590)),
        cancel_requested_at=at(580),
    )
    told = verdict(story(running), NOW)
    assert told.startswith("Running for 1m 40s on worker w1.")
    assert "asked to stop 20s ago" in told
    assert "lease lapsed 10s ago" in told


def test_a_cancelled_job_says_who_did_it_and_why() -> None:
    cancelled = story(
        job(JobState.CANCELLED, finished_at=at(540)),
        events=[event(540, "cancelled", "user:7", "wrong list")],
    )
    assert verdict(cancelled, NOW) == "Cancelled 1m ago by user:7: wrong list."


def test_a_removed_job_is_explained_by_the_events_that_are_left() -> None:
    removed = story(None, events=[event(1, "expired", "system")])
    assert verdict(removed, NOW) == "Removed (expired) at 2026-11-22 03:00:01.000Z by system."
    assert "expired" in text_of(show_page(removed, NOW))


def test_an_explanation_fits_on_one_screen_and_points_to_the_rest() -> None:
    events = [event(second, "released") for second in range(100)]
    page = text_of(explain_page(story(job(JobState.PENDING, run_at=at(0)), events=events), NOW))
    assert len(page.splitlines()) <= 24
    assert "jobline jobs show j1" in page


def test_the_number_of_values_of_an_input_is_shown_where_there_is_one() -> None:
    pages = [text_of(show_page(story(job(JobState.PENDING, input_items=count)), NOW)) for count in (4711, 0)]
    assert ["4711" in page for page in pages] == ["input_items" in page for page in pages] == [True, False]


def test_hostile_content_is_shown_and_not_obeyed() -> None:
    hostile = job(
        JobState.FAILED,
        owner="user:\x1b[2J",
        payload_json='{"a": "[bold]x[/bold]\\u001b[31m"}',
        error=JobError("BOOM", "\x1b]0;owned\x07 [red]", False),
        finished_at=at(1),
        labels={"k\n": "v\u202e"},
    )
    page = text_of(show_page(story(hostile), NOW))
    assert "\x1b" not in page
    assert "\x07" not in page
    assert "\u202e" not in page
    assert "[bold]x[/bold]" in page
    assert "\\x1b[2J" in page


def test_a_payload_too_deep_to_be_read_is_shown_as_it_came() -> None:
    deep = "[" * 100_000
    assert "[[[[" in text_of(show_page(story(job(JobState.PENDING, payload_json=deep)), NOW))
