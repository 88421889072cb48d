"""What holds for every estimate, whatever a queue has seen and whatever is before it."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobline_queue.core.calibration import P50, P90, Calibration, Span
from jobline_queue.core.pace import KEPT, Pace
from jobline_queue.core.planner import LEVELS, LEVELS_ASIDE, PATHS, Situation, plan, stands_for
from jobline_queue.core.policy import QueuePolicy, Rate
from jobline_queue.core.stored_queue import Pause
from support.forecast_house import House

SECONDS = st.floats(0.0, 1e5)
TIMES = st.lists(SECONDS, min_size=1, max_size=2 * KEPT)


def pace(times: Sequence[float]) -> Pace:
    made = Pace()
    for time in times:
        made.add(time)
    return made


# ---- paces --------------------------------------------------------------------------------------------------------------


@given(TIMES, SECONDS)
def test_a_rest_is_never_negative_and_later_at_a_higher_level(times: list[float], age: float):
    rests = pace(times).rests(age, sorted(LEVELS))
    assert rests[0] >= 0
    assert rests == sorted(rests)


@given(TIMES)
def test_a_pace_keeps_the_last_times(times: list[float]):
    assert pace(times).times == sorted(times[-KEPT:])


@given(TIMES, TIMES)
def test_older_times_count_as_far_as_there_is_room(older: list[float], times: list[float]):
    made = pace(times)
    made.add_older(older)
    assert made.times == pace([*older, *times]).times


# ---- plans --------------------------------------------------------------------------------------------------------------


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    servers, running = draw(st.integers(1, 200)), draw(st.integers(0, 200))
    known = pace(draw(TIMES))
    ages = draw(st.lists(SECONDS, min_size=running, max_size=running))[:: stands_for(servers, running)]
    rests = [known.rests(age, levels) for age, levels in zip(ages, LEVELS_ASIDE, strict=False)]
    waiting = draw(st.sampled_from((0, 1, 7, 50, 1000, 10**6)))
    return Situation(servers, running, rests, waiting, known.draws(LEVELS), known=len(known))


@given(situations())
def test_ends_are_later_further_behind_and_p50_is_before_p90(situation: Situation):
    made = plan(situation)
    runs = [1.0] * PATHS
    places = [1 + (situation.waiting - 1) * share / 50 for share in range(51)] if situation.waiting else [1.0]
    ends = [made.ends(place, "a", runs) for place in places]
    assert ends == plan_again(situation, places, runs), "the same situation has the same plan"
    for level in (0, 1):
        times = [end[level] for end in ends]
        assert times[0] >= 1.0
        assert all(before <= after or after == pytest.approx(before) for before, after in pairwise(times))
    assert all(p50 <= p90 for p50, p90 in ends)


def plan_again(situation: Situation, places: Sequence[float], runs: Sequence[float]) -> list[tuple[float, float]]:
    made = plan(situation)
    return [made.ends(place, "a", runs) for place in places]


def test_a_plan_has_as_many_positions_as_it_needs_for_a_million_jobs_and_no_more():
    made = plan(Situation(3, 0, [], 10**6, [5.0, 6.0]))
    assert made.positions[-1] == 10**6
    assert len(made.positions) < 50
    last, _ = made.ends(10**6, "a", [5.5] * PATHS)
    assert last == pytest.approx(5.5 * 10**6 / 3, rel=0.1)


# ---- calibration --------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.sampled_from(Span), st.sampled_from((P50, P90)), SECONDS, st.booleans()), max_size=100),
    st.lists(SECONDS, min_size=2, max_size=20),
    st.floats(0.001, 100.0),
)
def test_whatever_was_learned_keeps_the_order_of_times(learned: list, planned: list[float], near: float):
    calibration = Calibration()
    for span, level, seconds, held in learned:
        calibration.learn(span, "a", level, seconds, near, held)
    for span in Span:
        ends = [calibration.correct(span, "a", (time, 2 * time), near) for time in sorted(planned)]
        assert ends == sorted(ends)
        assert all(0 <= p50 <= p90 for p50, p90 in ends)


@pytest.mark.parametrize("wrong_by", [0.1, 1.0, 20.0])
def test_estimates_that_are_wrong_by_a_factor_come_to_hold_as_often_as_they_say(wrong_by: float):
    rng = random.Random(7)
    calibration = Calibration()
    held: list[tuple[bool, bool]] = []
    for _ in range(3000):
        took = wrong_by * rng.lognormvariate(0.0, 0.5)
        p50, p90 = calibration.correct(Span.WAITING, "a", (1.0, 1.9), 2.0)
        held.append((took <= p50, took <= p90))
        calibration.learn(Span.WAITING, "a", P50, 1.0, 2.0, took <= p50)
        calibration.learn(Span.WAITING, "a", P90, 1.9, 2.0, took <= p90)
        calibration.score(took <= p50, took <= p90)
    assert sum(p90 for _, p90 in held[-1000:]) / 1000 == pytest.approx(0.9, abs=0.03)
    scored, p50_held, p90_held = calibration.coverage
    assert scored == 1000
    assert (p50_held, p90_held) == (pytest.approx(0.5, abs=0.05), pytest.approx(0.9, abs=0.03))


# ---- what a queue is told ----------------------------------------------------------------------------------------------


def test_there_is_a_reason_where_there_is_no_estimate():
    house = House()
    job = house.job()
    assert house.told(job) == (None, None, "NO_WORKER")
    worker = house.worker()
    house.now += 0.001
    assert house.told(job) == (None, None, "NO_HISTORY")
    house.run(worker, 10.0)
    job = house.job()
    assert house.told(job).reason == ""
    house.dispatcher.queue("q").pause = Pause("user:ann")
    assert house.told(job) == (None, None, "QUEUE_PAUSED")


def test_a_worker_that_drains_counts_no_more():
    house = House()
    house.learn(10.0)
    worker = house.worker()
    job = house.job()
    assert house.told(job).reason == ""
    worker.draining = True
    house.now += 1.0
    assert house.told(job).reason == "NO_WORKER"


def test_a_worker_that_claims_job_by_job_counts_by_what_it_holds():
    house = House()
    house.learn(*[10.0] * 20)
    claimer = house.worker()
    claimer.most = 1
    house.job()
    assert house.start(claimer)
    claimer.attached = False
    assert house.told(house.job()).p50 == pytest.approx(20.0, rel=0.3)


def test_more_places_make_the_same_line_shorter():
    waits = []
    for capacity in (1, 4, 40):
        house = House()
        house.learn(*[10.0] * 30)
        house.worker(capacity)
        last = [house.job() for _ in range(200)][-1]
        p50 = house.told(last).p50
        assert p50 == pytest.approx(10 + 10 * 199 / capacity, rel=0.25)
        waits.append(p50)
    assert waits == sorted(waits, reverse=True)


def test_thousands_that_run_are_all_in_the_way():
    house = House()
    house.learn(*[10.0] * 30)
    for _ in range(8000):
        house.job()
    for _ in range(4):
        house.start(house.worker(2000))
    house.now += 4.0
    last = [house.job() for _ in range(50)][-1]
    assert house.told(last).p50 == pytest.approx(16, rel=0.1)


def test_a_limit_counts_where_workers_have_more_places():
    house = House(QueuePolicy("q", max_running=2))
    house.learn(*[10.0] * 30)
    house.worker(50)
    last = [house.job() for _ in range(100)][-1]
    assert house.told(last).p50 == pytest.approx(500, rel=0.2)


def test_a_job_waits_for_the_jobs_of_its_key():
    house = House(QueuePolicy("q", max_running_per_key=1))
    house.learn(*[10.0] * 30)
    house.worker(50)
    stuck = [house.job(key="acme") for _ in range(20)][-1]
    free = house.job(key="other")
    assert house.told(stuck).p50 == pytest.approx(200, rel=0.2)
    assert house.told(free).p50 == pytest.approx(10, rel=0.5)


def test_a_start_rate_delays_what_is_beyond_it():
    house = House(QueuePolicy("q", rate=Rate(2, 60.0)))
    house.now = 100.0
    house.learn(0.1)
    house.now += 100.0
    house.worker(50)
    jobs = [house.job() for _ in range(9)]
    assert house.told(jobs[0]).p50 < 10
    assert house.told(jobs[-1]).p50 == pytest.approx(240, abs=10)


def test_kinds_wait_for_the_workers_that_take_them():
    house = House()
    house.learn(*[10.0] * 30, kind="a")
    house.learn(*[10.0] * 30, kind="b")
    house.worker(1, "a")
    house.worker(10, "b")
    jobs = {kind: [house.job(kind) for _ in range(50)][-1] for kind in ("a", "b")}
    assert house.told(jobs["a"]).p50 == pytest.approx(500, rel=0.2)
    assert house.told(jobs["b"]).p50 == pytest.approx(55, rel=0.4)


def test_a_run_in_a_late_step_has_little_left():
    house = House()
    worker = house.worker()
    for _ in range(5):
        house.job()
        lease = house.start(worker)
        (job,) = lease.jobs.values()
        house.now += 90.0
        house.dispatcher.forecast.entered(job, "last")
        house.now += 10.0
        house.dispatcher.observers.succeeded(lease, [job], house.dispatcher.clock.now())
        house.dispatcher.finish(lease, [job])
    running = house.job()
    house.start(worker)
    assert house.told(running).p50 == pytest.approx(100, rel=0.3)
    house.now += 20.0
    assert house.told(running).p50 == pytest.approx(80, rel=0.3)
    house.dispatcher.forecast.entered(running, "last")
    assert house.told(running).p50 == pytest.approx(10, rel=0.3)


def test_a_run_that_makes_up_steps_without_end_takes_no_more_memory_and_spoils_no_other_times():
    house = House()
    house.learn(*[10.0] * 20, kind="b")
    running = house.job()
    lease = house.start(house.worker())
    for number in range(5000):
        house.dispatcher.forecast.entered(running, f"row {number}")
    tracemalloc.start()
    for number in range(5000):
        house.dispatcher.forecast.entered(running, f"line {number}")
    house.dispatcher.observers.succeeded(lease, [running], house.dispatcher.clock.now())
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 500_000
    house.dispatcher.finish(lease, [running])
    house.worker(1, "b")
    assert house.told(house.job("b")).p50 == pytest.approx(10, rel=0.3)


def test_a_run_that_is_older_than_all_others_still_has_something_left():
    house = House()
    house.learn(*[10.0] * 20)
    running = house.job()
    house.start(house.worker())
    rests = []
    for _ in range(5):
        house.now += 100.0
        rests.append(house.told(running).p50)
    assert rests[0] > 0
    assert rests == sorted(rests)


def test_what_is_not_due_does_not_end_before():
    house = House()
    house.learn(*[10.0] * 20)
    house.worker()
    later = house.job(after=3600.0)
    assert house.told(later).p50 == pytest.approx(3610, abs=10)
    house.now += 3000.0
    assert house.told(later).p50 == pytest.approx(610, abs=10)


def test_a_plan_is_used_again_for_half_a_second(monkeypatch: pytest.MonkeyPatch):
    from jobline_queue.dispatch import outlook

    made = []
    monkeypatch.setattr(outlook, "plan", lambda situation: made.append(situation) or plan(situation))
    house = House()
    house.learn(*[10.0] * 20)
    house.worker()
    jobs = [house.job() for _ in range(100)]
    house.dispatcher.forecast.estimates(jobs, list(range(1, 101)))
    house.now += 0.4
    house.dispatcher.forecast.estimates(jobs, list(range(1, 101)))
    assert len(made) == 1
    house.now += 0.2
    house.told(jobs[0])
    assert len(made) == 2
