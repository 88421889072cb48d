"""The live view of `jobs watch` shows the present state, whatever order changes arrive in."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

from rich.console import Console, ConsoleDimensions

from jobline.cli.job_board import JobBoard
from jobline.client import Change, Eta, JobError, JobPlace, JobState, Progress
from support.job_values import job_value

NOW = datetime(2026, 11, 22, 3, 0, 0, tzinfo=UTC)


def change(job_id: str, state: JobState, **fields: object) -> Change:
    return Change("1-1", False, job_value(job_id, state, **fields), "")


def places(**positions: int) -> Change:
    """Where jobs are, all of one moment; each ends 40 s from now for each place."""
    moved = [JobPlace(job_id, place, Eta(40.0 * place, 90.0 * place, "")) for job_id, place in positions.items()]
    return Change("", False, None, "", places=tuple(moved))


def screen(board: JobBoard, height: int = 24, now: datetime = NOW) -> list[str]:
    output = io.StringIO()
    Console(file=output, width=140, highlight=False).print(board.render(now, ConsoleDimensions(140, height)))
    return [line.rstrip() for line in output.getvalue().splitlines()]


def shown_ids(lines: list[str]) -> list[str]:
    return [line.split()[0] for line in lines[2:] if not line.startswith("…")]


def test_running_jobs_come_first_then_those_that_wait_by_position_then_ended_ones() -> None:
    board = JobBoard()
    board.apply(change("ended", JobState.SUCCEEDED), NOW)
    board.apply(change("second", JobState.PENDING), NOW)
    board.apply(change("new", JobState.PENDING), NOW)
    board.apply(change("first", JobState.PENDING), NOW)
    board.apply(change("runs", JobState.RUNNING, progress=Progress("write", 1, 2, "")), NOW)
    board.apply(places(first=1, second=2, runs=0), NOW)
    lines = screen(board)
    assert lines[0] == "3 pending, 1 running, 1 succeeded"
    assert shown_ids(lines) == ["runs", "first", "second", "new", "ended"]
    assert "write" in lines[2]
    assert "━" in lines[2]


def test_named_jobs_keep_the_order_in_which_they_were_named() -> None:
    board = JobBoard(["b", "a"])
    board.apply(change("a", JobState.RUNNING), NOW)
    board.apply(change("b", JobState.SUCCEEDED), NOW)
    assert shown_ids(screen(board)) == ["b", "a"]


def test_what_does_not_fit_is_counted() -> None:
    board = JobBoard()
    for number in range(30):
        board.apply(change(f"job-{number}", JobState.PENDING), NOW)
    lines = screen(board, height=10)
    assert len(lines) < 10
    assert lines[-1] == "… and 24 more"


def test_a_resync_forgets_live_jobs_that_are_not_told_again() -> None:
    board = JobBoard()
    board.apply(change("gone", JobState.RUNNING), NOW)
    board.apply(change("ended", JobState.FAILED), NOW)
    board.apply(Change("2-1", True, None, ""), NOW)
    board.apply(change("live", JobState.PENDING), NOW)
    assert shown_ids(screen(board)) == ["live", "ended"]


def test_a_removed_job_leaves_the_screen_and_is_counted_if_it_was_named() -> None:
    board = JobBoard(["a", "b"])
    board.apply(change("a", JobState.PENDING), NOW)
    board.apply(change("b", JobState.RUNNING), NOW)
    board.apply(Change("1-3", False, None, "a"), NOW)
    lines = screen(board)
    assert lines[0] == "1 removed, 1 running"
    assert shown_ids(lines) == ["b"]


def test_positions_are_those_of_one_moment_and_never_those_that_single_changes_had() -> None:
    board = JobBoard()
    for number, job_id in enumerate("abc"):
        board.apply(change(job_id, JobState.PENDING, position=number + 7), NOW)
    assert all(line.split()[4] == "0/3" for line in screen(board)[2:]), "none is known yet"
    board.apply(places(a=3, b=1, c=2), NOW)
    board.apply(change("c", JobState.PENDING, position=1), NOW)
    assert [line.split()[0:5:4] for line in screen(board)[2:]] == [["b", "1"], ["c", "2"], ["a", "3"]]


def test_a_job_that_starts_has_no_position_any_more_and_keeps_its_estimate() -> None:
    board = JobBoard()
    board.apply(change("a", JobState.PENDING), NOW)
    board.apply(places(a=1), NOW)
    board.apply(change("a", JobState.RUNNING), NOW)
    assert screen(board)[2].split()[3:6] == ["running", "~40s", "0/3"]
    board.apply(change("a", JobState.SUCCEEDED), NOW)
    assert "~" not in screen(board)[2]


def test_estimates_run_down_between_two_messages_and_never_below_zero() -> None:
    board = JobBoard()
    board.apply(change("a", JobState.PENDING), NOW)
    board.apply(places(a=1), NOW)
    assert "~30s" in screen(board, now=NOW + timedelta(seconds=10))[2]
    assert "~0s" in screen(board, now=NOW + timedelta(hours=1))[2]


def test_a_watch_without_ids_keeps_only_the_latest_ended_jobs() -> None:
    board = JobBoard()
    for number in range(500):
        board.apply(change(f"job-{number}", JobState.SUCCEEDED), NOW)
    assert screen(board)[0] == "200 succeeded"


def test_a_small_screen_shows_whole_ids_and_leaves_out_what_jobs_share() -> None:
    board = JobBoard()
    job_id = "0190a000-0000-7000-8000-000000000000"
    progress = Progress("template_parser", 1, 2, "")
    board.apply(change(job_id, JobState.RUNNING, attempt=1, progress=progress, owner="user:1"), NOW)
    output = io.StringIO()
    Console(file=output, width=80, highlight=False).print(board.render(NOW, ConsoleDimensions(80, 24)))
    lines = output.getvalue().splitlines()
    assert lines[2].startswith(f"{job_id} running")
    assert "user:1" not in lines[2]
    assert len(lines) == 3


def test_a_failed_job_says_why_on_a_wide_screen() -> None:
    board = JobBoard()
    board.apply(change("j", JobState.FAILED, error=JobError("PROVIDER_ERROR", "the model is\ndown", True)), NOW)
    assert "PROVIDER_ERROR: the model is\\ndown" in screen(board)[2]
