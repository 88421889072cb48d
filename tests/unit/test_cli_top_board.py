"""`jobline top` draws any service on a screen of any size, and lets no text of strangers steer the terminal."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

import pytest
from rich.text import Text

from jobline.cli.top_board import Frame, board
from jobline.cli.top_picture import Picture
from jobline.client import (
    ErrorCount,
    EtaCoverage,
    HeldJob,
    Pause,
    Progress,
    Quantiles,
    Queue,
    QueueTrends,
    TrendPoint,
    WorkerInfo,
)
from jobline.client import convert_queues as from_contract
from jobline.v1 import queue_pb2
from support.job_values import CREATED

NOW = CREATED + timedelta(seconds=30)
ADDRESS = "127.0.0.1:50051"
HOSTILE = "\x1b[2J\x07[bold red]x[/]\u202e日本\n" + "w" * 300


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def queue_value(name: str, *, ready: int = 0, running: int = 0, most: int = 0, **fields: object) -> Queue:
    """A queue without anything in it that is not named."""
    message = queue_pb2.Queue(policy=queue_pb2.QueuePolicy(queue=name, max_running=most))
    message.stats.ready, message.stats.running = ready, running
    return dataclasses.replace(from_contract.queue(message), **fields)  # type: ignore[arg-type]


def point(begin: datetime, **counts: int) -> TrendPoint:
    names = ("ready", "delayed", "running", "enqueued", "started", "succeeded", "failed", "cancelled", "retried")
    times = Quantiles(1.0, 90.0, 100.0)
    return TrendPoint(begin, 60.0, **{name: counts.get(name, 0) for name in names}, wait=times, run=times)


def trends_value(queue: str, minutes: int, **counts: int) -> QueueTrends:
    """The same in every minute; the last one began 30 s ago."""
    begins = [CREATED - timedelta(minutes=minute) for minute in range(minutes - 1, -1, -1)]
    points = tuple(point(begin, **counts) for begin in begins)
    return QueueTrends(queue, points, (ErrorCount("TIMEOUT", 3),), point(begins[0], **counts))


def held(number: int, *, seconds: float = 10, queue: str = "orders", step: str = "write", lease: float = 20) -> HeldJob:
    job_id = f"0190a000-0000-7000-8000-{number:012}"
    return HeldJob(job_id, queue, "greet", ago(seconds), ago(-lease), Progress(step, 1, 2, "dear reader"), True)


def worker_value(name: str, *jobs: HeldJob, queues: tuple[str, ...] = ("orders",), **fields: object) -> WorkerInfo:
    seen = WorkerInfo(name, name, queues, ("greet",), 4, len(jobs), ago(3600), ago(1), False, (), jobs)
    return dataclasses.replace(seen, **fields)  # type: ignore[arg-type]


def busy_picture(queues: int = 40, workers: int = 30, jobs: int = 3) -> Picture:
    names = [f"queue-{number:03}" for number in range(queues)]
    held_jobs = [[held(10 * worker + job, queue=names[0]) for job in range(jobs)] for worker in range(workers)]
    return Picture(
        NOW,
        tuple(queue_value(name, ready=5, running=0 if name != names[0] else workers * jobs) for name in names),
        tuple(worker_value(f"worker-{index}", *jobs, queues=tuple(names)) for index, jobs in enumerate(held_jobs)),
        tuple(trends_value(name, 5, succeeded=100) for name in ("", *names)),
        tuple(trends_value(name, 60, succeeded=100) for name in ("", *names)),
    )


def hostile_picture() -> Picture:
    job = dataclasses.replace(held(1, step=HOSTILE), id=HOSTILE, queue=HOSTILE, kind=HOSTILE)
    pause = Pause(HOSTILE, ago(60), HOSTILE)
    trends = dataclasses.replace(trends_value(HOSTILE, 60, failed=1), errors=(ErrorCount(HOSTILE, 1),))
    return Picture(
        NOW,
        (queue_value(HOSTILE, ready=10**12, paused=True, pause=pause), queue_value(f"idle {HOSTILE}")),
        (worker_value(HOSTILE, job, queues=(HOSTILE,)),),
        (dataclasses.replace(trends, queue=""),),
        (dataclasses.replace(trends, queue=""), trends),
        only="",
    )


def drawn(picture: Picture | None, width: int = 120, height: int | None = 40, trouble: str = "") -> list[str]:
    return [line.plain for line in board(picture, Frame(width, height), NOW, ADDRESS, trouble)]


def line_with(lines: list[str], text: str) -> str:
    return next(line for line in lines if text in line)


@pytest.mark.parametrize("trouble", ["", HOSTILE])
@pytest.mark.parametrize("width", [20, 80, 120, 200])
@pytest.mark.parametrize("height", [3, 24, 50])
@pytest.mark.parametrize(
    "picture", [None, Picture(NOW), busy_picture(), hostile_picture()], ids=["none", "empty", "busy", "hostile"]
)
def test_every_picture_fits_into_every_screen(picture: Picture | None, width: int, height: int, trouble: str) -> None:
    lines: list[Text] = board(picture, Frame(width, height), NOW, ADDRESS, trouble)
    assert len(lines) <= height
    assert max(line.cell_len for line in lines) <= width
    assert all(line.plain.isprintable() for line in lines)
    if picture is not None:
        assert len(lines) == height, "the line of failures stands at the bottom"


def test_a_screen_too_small_for_all_says_how_much_is_left_out_of_each_list() -> None:
    lines = drawn(busy_picture(), 80, 24)
    assert [line for line in lines if line.startswith("…")] == ["… and 33 more", "… and 27 more", "… and 87 more"]
    assert lines[-1] == "failed runs in 1 h  TIMEOUT 3"


def test_without_a_height_nothing_is_left_out() -> None:
    lines = drawn(busy_picture(), 160, None)
    assert not any(line.startswith("…") for line in lines)
    assert sum(line.startswith("0190a000") for line in lines) == 90


def test_rates_are_those_of_the_last_sixty_seconds() -> None:
    """Half of the full minute before, and all of the one that began 30 s ago."""
    recent = trends_value("orders", 5, enqueued=200, succeeded=100, failed=10, retried=2)
    together = dataclasses.replace(recent, queue="")
    lines = drawn(Picture(NOW, (queue_value("orders", ready=1),), (), (together, recent)))
    assert lines[2] == "stored 300/min   done 150/min   failed 15/min   tried again 3/min"
    assert line_with(lines, "orders").split() == ["orders", "1", "0", "0", "1.0s/1.5m", "1.0s/1.5m", "150", "15", "3"]


def test_a_queue_shows_its_limit_the_quality_of_its_estimates_and_its_last_hour() -> None:
    coverage = EtaCoverage(1000, 0.49, 0.913)
    queue = queue_value("orders", running=3, most=3, eta_coverage=coverage, limit_overridden=True)
    lines = drawn(Picture(NOW, (queue,), hour=(trends_value("orders", 60, succeeded=7),)), 200)
    row = line_with(lines, "orders")
    assert "3/3" in row
    assert "91 % of 1000" in row
    assert "█" * 59 in row, "the minute under way is not shown: it would look like a fall"
    assert lines[lines.index(row) + 1] == "  └ limit 3, set by an operator"


def test_a_paused_queue_says_by_whom_since_when_and_why() -> None:
    queue = queue_value("orders", paused=True, pause=Pause("user:ann", ago(720), "deploy"))
    lines = drawn(Picture(NOW, (queue,)), 80, 24)
    assert "paused 1" in lines[1]
    assert lines[lines.index(line_with(lines, "orders")) + 1] == "  └ paused by user:ann 12m ago: deploy"


def test_a_pause_by_policy_has_no_time() -> None:
    queue = queue_value("orders", paused=True, pause=Pause("policy", None, ""))
    assert "  └ paused by policy" in drawn(Picture(NOW, (queue,)))


def test_jobs_that_no_connected_worker_takes_are_an_alarm() -> None:
    picture = Picture(NOW, (queue_value("orders", ready=1),))
    assert "  └ no connected worker takes it" in drawn(picture)
    assert "no worker is connected" in drawn(picture)
    leaving = dataclasses.replace(picture, workers=(worker_value("w", draining=True),))
    assert "  └ no connected worker takes it" in drawn(leaving), "a draining worker takes nothing any more"
    served = dataclasses.replace(picture, workers=(worker_value("w"),))
    assert "  └ no connected worker takes it" not in drawn(served)


def test_queues_with_nothing_to_tell_share_a_line() -> None:
    quiet = (queue_value("a"), queue_value("b"), queue_value("orders", ready=1))
    lines = drawn(Picture(NOW, quiet, hour=(trends_value("b", 60, succeeded=1),)))
    assert "idle: a" in lines, "b did something within the hour"
    assert any(line.startswith("a ") for line in drawn(Picture(NOW, (queue_value("a"),), only="a"))), "it was asked for"


def test_an_empty_service_is_shown_as_such() -> None:
    lines = drawn(Picture(NOW), 80, 24)
    assert {"no queue is known", "no worker is connected", "nothing runs"} <= set(lines)
    assert lines[-1] == "no run has failed within the last hour"


def test_running_jobs_are_listed_the_longest_running_first() -> None:
    workers = (worker_value("a", held(1, seconds=5)), worker_value("b", held(2, seconds=60), held(3, seconds=7)))
    lines = drawn(Picture(NOW, (queue_value("orders", running=3),), workers), 140)
    rows = [line.split() for line in lines if line.startswith("0190a000")]
    assert [(row[0][-1], row[-2], row[-1]) for row in rows] == [
        ("2", "1m", "b"),
        ("3", "7.0s", "b"),
        ("1", "5.0s", "a"),
    ]
    assert rows[0][1:6] == ["orders", "greet", "write", "━━━━━╌╌╌╌╌", "1/2"]


def test_running_jobs_that_no_connected_worker_holds_are_counted() -> None:
    assert "7 run that no connected worker holds" in drawn(Picture(NOW, (queue_value("orders", running=7),)))


def test_a_lapsed_lease_and_a_silent_or_draining_worker_stand_out() -> None:
    lost = worker_value("lost", held(1, lease=-5), last_seen_at=ago(40))
    lines = drawn(Picture(NOW, (queue_value("orders"),), (lost, worker_value("leaving", draining=True))), 120)
    assert line_with(lines, "0190a000").split()[3] == "lapsed"
    assert line_with(lines, "40s ago").split()[-2:] == ["silent", "orders"]
    assert "draining" in line_with(lines, "leaving")


def test_without_an_answer_the_last_picture_stays_with_its_ages_and_says_so() -> None:
    then = Picture(ago(12), (queue_value("orders", running=1),), (worker_value("w", held(1, seconds=20)),))
    lines = drawn(then, trouble="the line is cut")
    assert lines[1] == "No answer for 12s; this is how it was then. the line is cut"
    assert line_with(lines, "0190a000").split()[-2] == "8.0s"
    assert drawn(None, trouble="the line is cut")[1:] == ["the line is cut"]
