"""The live view of `jobs watch` shows the present state, whatever order changes arrive in."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from rich.console import Console, ConsoleDimensions

from jobline.cli.job_board import JobBoard
from jobline.client import Change, Job, JobError, JobState, Progress
from support.job_values import job_value

NOW = datetime(2026, 11, 22, 3, 0, 0, tzinfo=UTC)


def change(job_id: str, state: JobState, **fields: object) -> Change:
    return Change("1-1", False, job_value(job_id, state, **fields), "")


def waiting(job_id: str, position: int) -> Job:
    return job_value(job_id, JobState.PENDING, position=position)


def screen(board: JobBoard, height: int = 24) -> list[str]:
    output = io.StringIO()
    Console(file=output, width=140, highlight=False).print(board.render(NOW, ConsoleDimensions(140, height)))
    return [line.rstrip() for line in output.getvalue().splitlines()]


def shown_ids(lines: list[str]) -> list[str]:
    return [line.split()[0] for line in lines[2:] if not line.startswith("…")]


def test_running_jobs_come_first_then_those_that_wait_by_position_then_ended_ones() -> None:
    board = JobBoard()
    board.apply(change("ended", JobState.SUCCEEDED))
    board.apply(change("second", JobState.PENDING, position=2))
    board.apply(change("delayed", JobState.PENDING))
    board.apply(change("first", JobState.PENDING, position=1))
    board.apply(change("runs", JobState.RUNNING, progress=Progress("write", 1, 2, "")))
    lines = screen(board)
    assert lines[0] == "3 pending, 1 running, 1 succeeded"
    assert shown_ids(lines) == ["runs", "first", "second", "delayed", "ended"]
    assert "write" in lines[2]
    assert "━" in lines[2]


def test_named_jobs_keep_the_order_in_which_they_were_named() -> None:
    board = JobBoard(["b", "a"])
    board.apply(change("a", JobState.RUNNING))
    board.apply(change("b", JobState.SUCCEEDED))
    assert shown_ids(screen(board)) == ["b", "a"]


def test_what_does_not_fit_is_counted() -> None:
    board = JobBoard()
    for number in range(30):
        board.apply(change(f"job-{number}", JobState.PENDING, position=number + 1))
    lines = screen(board, height=10)
    assert len(lines) < 10
    assert lines[-1] == "… and 24 more"


def test_a_resync_forgets_live_jobs_that_are_not_told_again() -> None:
    board = JobBoard()
    board.apply(change("gone", JobState.RUNNING))
    board.apply(change("ended", JobState.FAILED))
    board.apply(Change("2-1", True, None, ""))
    board.apply(change("live", JobState.PENDING, position=1))
    assert shown_ids(screen(board)) == ["live", "ended"]


def test_a_removed_job_leaves_the_screen_and_is_counted_if_it_was_named() -> None:
    board = JobBoard(["a", "b"])
    board.apply(change("a", JobState.PENDING, position=1))
    board.apply(change("b", JobState.RUNNING))
    board.apply(Change("1-3", False, None, "a"))
    lines = screen(board)
    assert lines[0] == "1 removed, 1 running"
    assert shown_ids(lines) == ["b"]


def test_positions_read_later_do_not_touch_jobs_that_have_moved_on() -> None:
    board = JobBoard()
    board.apply(change("a", JobState.PENDING, position=3))
    board.apply(change("b", JobState.RUNNING))
    board.place([waiting("a", 1), waiting("b", 1)])
    lines = screen(board)
    assert shown_ids(lines) == ["b", "a"]
    assert lines[3].split()[4] == "1"


def test_a_watch_without_ids_keeps_only_the_latest_ended_jobs() -> None:
    board = JobBoard()
    for number in range(500):
        board.apply(change(f"job-{number}", JobState.SUCCEEDED))
    assert screen(board)[0] == "200 succeeded"


def test_a_small_screen_shows_whole_ids_and_leaves_out_what_jobs_share() -> None:
    board = JobBoard()
    job_id = "0190a000-0000-7000-8000-000000000000"
    progress = Progress("template_parser", 1, 2, "")
    board.apply(change(job_id, JobState.RUNNING, attempt=1, progress=progress, owner="user:1"))
    output = io.StringIO()
    Console(file=output, width=80, highlight=False).print(board.render(NOW, ConsoleDimensions(80, 24)))
    lines = output.getvalue().splitlines()
    assert lines[2].startswith(f"{job_id} running")
    assert "user:1" not in lines[2]
    assert len(lines) == 3


def test_a_failed_job_says_why_on_a_wide_screen() -> None:
    board = JobBoard()
    board.apply(change("j", JobState.FAILED, error=JobError("PROVIDER_ERROR", "the model is\ndown", True)))
    assert "PROVIDER_ERROR: the model is\\ndown" in screen(board)[2]
