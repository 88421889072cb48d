"""F9: clocks that are wrong or jump. Only the database's time and monotonic durations count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobline_queue.dispatch.clock import MAX_STANDSTILL, Clock
from support.eventually import eventually_blocking
from support.invariants import Evidence, violations
from support.queue_calls import Calls, new_job
from support.queue_service import queue_service

#: Read by Python at the start of each process that finds it: `time.time` is off by an hour, and by another one later.
SKEW = """
import time
from pathlib import Path
true_time, jump = time.time, Path({jump!r})
time.time = lambda: true_time() + {hours} * 3600 * (2 if jump.exists() else 1)
"""
POLICIES = """
[queues.test]
lease = "2s"
receipt = "1s"
backoff = ["200ms"]
[queues.rated]
rate = "2/s"
"""


def skewed(folder: Path, hours: int) -> str:
    """A PYTHONPATH that gives a process a clock that is wrong by so many hours, and by twice as many after a jump."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SKEW.format(jump=str(folder / "jump"), hours=hours))
    return str(folder)


@pytest.mark.parametrize("hours", [1, -1])
def test_f9_a_service_whose_clock_is_an_hour_off_and_jumps_keeps_time(fresh_database: str, tmp_path: Path, hours: int):
    path = skewed(tmp_path / "skew", hours)
    with (
        queue_service(fresh_database, tmp_path, POLICIES, PYTHONPATH=path) as service,
        Calls(service.address, service.operator_token) as calls,
    ):
        told = datetime.fromisoformat(service.log.split()[0])
        assert abs(told - datetime.now(UTC)) > timedelta(minutes=50), "its log has the wrong time"
        (held,) = calls.enqueue(new_job("test"))
        run = calls.claim_one("test")
        (failing,) = calls.enqueue(new_job("test"))
        calls.fail(calls.claim_one("test"))
        (tmp_path / "skew" / "jump").touch()
        assert calls.claim_one("test", wait=3).job_id == failing, "the backoff is 200 ms, whatever the clock says"
        assert calls.heartbeat(run) == [1], "no lease lapses by a jump"
        skew = "SELECT abs(extract(epoch FROM max(created_at) - now())) < 60 FROM jobline.jobs"
        assert service.execute(skew) == [(True,)], "the times in the table are the database's"
        calls.complete(run)
        assert calls.state(held) == "succeeded"
        eventually_blocking(lambda: calls.state(failing) == "pending", within=10, what="a lease lapses in its time")
    assert violations(Evidence.read(fresh_database)) == []


# ---- the clock itself, with injected times ------------------------------------------------------------------------------

_SECONDS = st.floats(0, 100, allow_nan=False)


@given(steps=st.lists(st.tuples(_SECONDS, st.floats(-MAX_STANDSTILL / 2, MAX_STANDSTILL / 2)), max_size=30))
def test_f9_a_clock_that_is_set_right_again_never_goes_back_and_stays_near_the_database(
    steps: list[tuple[float, float]],
):
    """Between two readings time passes, and each reading is off a little: late answers, a slewing clock."""
    monotonic = 0.0
    clock = Clock(1_000_000.0, lambda: monotonic)
    last = clock.now()
    for passed, error in steps:
        monotonic += passed
        truth = 1_000_000.0 + monotonic
        clock.resync(truth + error)
        now = clock.now()
        assert now >= last
        assert abs(now - truth) <= MAX_STANDSTILL + 1e-3
        last = now


def test_f9_a_database_whose_clock_was_set_back_is_followed():
    clock = Clock(1_000_000.0, lambda: 0.0)
    assert clock.now() == 1_000_000.0
    clock.resync(990_000.0)
    assert clock.now() == 990_000.0
