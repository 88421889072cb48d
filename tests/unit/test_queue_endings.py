"""Every outcome of a run leads where the lifecycle table says, and counts what it should."""

import itertools
from typing import Any

import pytest

from jobline_queue.core.ending import (
    MAX_LOSSES,
    MAX_VANISHED,
    Completed,
    Failed,
    Lost,
    Outcome,
    Released,
    Revoked,
    RunError,
    Snoozed,
    Stopped,
    TimedOut,
    cut,
    end_run,
)
from jobline_queue.core.errors import InvalidField
from jobline_queue.core.lifecycle import FINISHED, TRANSITIONS, Arrow, State, may
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.policy import QueuePolicy

NOW = 1_000.0
POLICY = QueuePolicy("test", timeout=5.0, backoff=(7.0, 11.0))
OUTCOMES: list[Outcome] = [
    Completed("{}"),
    Failed(RunError("X", "no", True)),
    Failed(RunError("X", "no", True), retry_after=3.0),
    Failed(RunError("X", "no", False)),
    Stopped(),
    Snoozed(60.0),
    Released("shutdown"),
    Lost(),
    Lost(vanished=1),
    Lost(vanished=MAX_VANISHED + 1),
    TimedOut(),
    Revoked("user:a", "changed my mind"),
]


def running(**fields: Any) -> LiveJob:
    """A received run of a job that has two counted runs to go."""
    job = LiveJob("id", "test", "kind", "", "p", 0, 900.0, 1, "", "", "{}", "null", 0, 3, 0, created_at=900.0)
    for name, value in {"received": True, "step": "one", **fields}.items():
        setattr(job, name, value)
    return job


@pytest.mark.parametrize("outcome", OUTCOMES, ids=repr)
@pytest.mark.parametrize(
    ("attempt", "losses", "received", "asked"),
    list(itertools.product((0, 1, 2), (0, 1, 2), (True, False), (True, False))),
)
def test_a_run_ends_only_where_the_table_has_an_arrow(
    outcome: Outcome, attempt: int, losses: int, received: bool, asked: bool
):
    job = running(attempt=attempt, losses=losses, received=received, cancel_requested=asked)
    if isinstance(outcome, Stopped) and not asked:
        with pytest.raises(InvalidField):
            end_run(job, POLICY, outcome, NOW)
        return
    end = end_run(job, POLICY, outcome, NOW)
    assert end.state in TRANSITIONS[State.RUNNING, end.arrow]
    assert end.attempt <= job.max_attempts
    assert end.attempt - attempt in (0, 1)
    assert end.losses - losses in (0, 1)
    assert (end.error is not None) == (
        end.state is State.FAILED or (end.state is State.PENDING and end.attempt > attempt)
    )
    if asked:
        assert end.state is not State.PENDING, "a cancel that was granted is not forgotten"


def test_a_success_counts_its_run():
    end = end_run(running(attempt=1), POLICY, Completed("[1]"), NOW)
    assert (end.state, end.attempt, end.result, end.outcome) == (State.SUCCEEDED, 2, "[1]", None)


def test_a_retryable_failure_waits_for_the_policys_backoff():
    ends = [end_run(running(attempt=n), POLICY, Failed(RunError("X", "no", True)), NOW) for n in (0, 1, 2)]
    assert [(end.state, end.attempt) for end in ends] == [(State.PENDING, 1), (State.PENDING, 2), (State.FAILED, 3)]
    assert [end.run_at for end in ends[:2]] == [NOW + 7.0, NOW + 11.0]


def test_a_worker_may_choose_how_long_to_wait():
    end = end_run(running(), POLICY, Failed(RunError("X", "no", True), retry_after=0.0), NOW)
    assert (end.state, end.run_at) == (State.PENDING, NOW)


def test_a_failure_that_is_not_retryable_is_final():
    end = end_run(running(), POLICY, Failed(RunError("X", "no", False)), NOW)
    assert (end.state, end.attempt) == (State.FAILED, 1)


@pytest.mark.parametrize(
    ("outcome", "arrow", "run_at"), [(Snoozed(60.0), "snooze", 1060.0), (Released(), "release", 900.0)]
)
def test_giving_back_counts_nothing(outcome: Outcome, arrow: str, run_at: float):
    end = end_run(running(attempt=2, losses=1), POLICY, outcome, NOW)
    assert (end.arrow, end.state) == (arrow, State.PENDING)
    assert (end.attempt, end.losses, end.run_at) == (2, 1, run_at)


def test_a_delivery_that_never_arrived_costs_nothing_and_keeps_its_place():
    end = end_run(running(received=False, losses=2, attempt=2), POLICY, Lost(), NOW)
    assert (end.state, end.attempt, end.losses, end.run_at, end.outcome) == (State.PENDING, 2, 2, 900.0, None)


def test_a_lost_worker_counts_as_a_failed_run():
    end = end_run(running(), POLICY, Lost(), NOW)
    assert (end.arrow, end.state, end.attempt, end.losses) == (Arrow.RESCUE, State.PENDING, 1, 1)
    assert end.error is not None
    assert (end.error.code, end.error.retryable) == ("WORKER_LOST", True)
    assert "'one'" in end.error.message


def test_the_third_lost_worker_is_poison_whatever_the_attempts():
    end = end_run(running(losses=MAX_LOSSES - 1, max_attempts=100), POLICY, Lost(), NOW)
    assert (end.state, end.error and end.error.code) == (State.FAILED, "POISON")


def test_a_run_out_of_time_is_a_failure_that_names_the_limit_and_the_step():
    end = end_run(running(max_attempts=1), POLICY, TimedOut(), NOW)
    assert (end.arrow, end.state) == (Arrow.TIME_OUT, State.FAILED)
    assert end.error == RunError("TIMEOUT", "Exceeded 5 seconds in step 'one'.", True)


def test_a_run_that_completes_after_a_cancel_was_requested_is_cancelled():
    end = end_run(running(cancel_requested=True, attempt=1), POLICY, Completed("1"), NOW)
    assert (end.arrow, end.state, end.outcome, end.result) == (Arrow.CANCEL, State.CANCELLED, "cancelled", None)
    assert (end.attempt, end.event, end.detail) == (1, "cancelled", "completed after a cancel was requested")


@pytest.mark.parametrize("length", [999, 1000, 1001, 5000])
def test_a_long_message_is_cut_to_a_thousand_characters_with_its_mark(length: int):
    text = cut("é" * length)
    assert len(text) == min(length, 1000)
    assert text.endswith("…") == (length > 1000)


def test_the_table_has_no_arrow_out_of_a_finished_state_but_retry_delete_and_prune():
    for state in FINISHED:
        arrows = {arrow for arrow in Arrow if may(state, arrow)}
        retry = set() if state is State.SUCCEEDED else {Arrow.RETRY}
        assert arrows == {Arrow.DELETE, Arrow.PRUNE} | retry


def test_running_is_reached_by_claim_alone():
    into = {arrow for (state, arrow), goals in TRANSITIONS.items() if State.RUNNING in goals and state != State.RUNNING}
    assert into == {Arrow.CLAIM}


def test_a_delivery_that_vanishes_with_its_worker_costs_nothing_at_first_then_waits_apart_then_counts():
    """F12: a job that kills its worker before the receipt is poison in the end, and its neighbours are not."""
    job = running(received=False, losses=MAX_LOSSES - 1, attempt=1, max_attempts=100)
    first = end_run(job, POLICY, Lost(vanished=1), NOW)
    assert (first.state, first.run_at, first.attempt, first.losses) == (State.PENDING, job.run_at, 1, 2)
    for times in range(2, MAX_VANISHED + 1):
        waits = {end_run(job, POLICY, Lost(vanished=times), NOW).run_at - NOW for _ in range(50)}
        assert len(waits) == 50
        assert 0 <= min(waits) < max(waits) <= 2.0**times
    counted = end_run(job, POLICY, Lost(vanished=MAX_VANISHED + 1), NOW)
    assert (counted.state, counted.attempt) == (State.FAILED, 2)
    assert counted.error is not None
    assert counted.error.code == "POISON"
