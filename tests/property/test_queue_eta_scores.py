"""What becomes of estimates: which of them count, and which a queue learns from."""

from __future__ import annotations

import pytest

from jobline_queue.core.calibration import Calibration
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.stored_queue import Pause
from jobline_queue.dispatch.session import Session
from support.forecast_house import House


def waiting_house() -> tuple[House, Session, LiveJob]:
    """A worker, its steady run times, and a line of which many estimates are noted. The job is the last in line."""
    house = House()
    house.learn(*[10.0] * 30)
    worker = house.worker()
    jobs = [house.job() for _ in range(300)]
    for _ in range(100):
        house.dispatcher.forecast.look("q")
        house.now += 0.01
    return house, worker, jobs[-1]


def idle(house: House, seconds: int) -> None:
    """Time passes, and nothing happens."""
    for _ in range(seconds // 60):
        house.now += 60.0
        house.dispatcher.forecast.look("q")


def test_a_pause_is_not_held_against_the_estimates_of_those_who_wait():
    house, _, last = waiting_house()
    before = house.told(last)
    house.dispatcher.queue("q").pause = Pause("user:ann")
    idle(house, 6 * 3600)
    house.dispatcher.queue("q").pause = None
    assert house.told(last).p90 == pytest.approx(before.p90, rel=0.1)
    assert house.dispatcher.forecast.coverage("q")[0] == 0


def test_an_hour_without_workers_counts_against_the_estimates_and_spoils_none_of_the_next():
    house, worker, last = waiting_house()
    before = house.told(last)
    worker.attached = False
    idle(house, 6 * 3600)
    worker.attached = True
    house.now += 1.0
    assert house.told(last).p90 == pytest.approx(before.p90, rel=0.1)
    counted, p50_held, p90_held = house.dispatcher.forecast.coverage("q")
    assert (counted > 50, p50_held, p90_held) == (True, 0.0, 0.0)


def test_an_estimate_that_was_missed_counts_though_its_job_never_ends():
    house = House()
    house.learn(*[10.0] * 30)
    house.worker()
    job = house.job()
    house.dispatcher.forecast.look("q")
    idle(house, 3600)
    counted, p50_held, p90_held = house.dispatcher.forecast.coverage("q")
    assert (counted > 0, p50_held, p90_held) == (True, 0.0, 0.0)
    house.dispatcher.observers.cancelled(job)
    assert house.dispatcher.forecast.coverage("q")[0] == counted


def test_coverage_is_of_the_last_thousand():
    calibration = Calibration()
    assert calibration.coverage == (0, 0.0, 0.0)
    for number in range(2500):
        calibration.score(number >= 2000, number >= 1600)
    assert calibration.coverage == (1000, 0.5, 0.9)
