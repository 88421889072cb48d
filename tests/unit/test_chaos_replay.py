"""The checker of `make chaos` finds what it is there to find: each rule is broken once, in a log made by hand."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from chaos.audit import Entry, Transaction
from chaos.replay import Replay
from chaos.workload import QueueRules

QUEUES = {
    "one": QueueRules({"max_running": "1"}, slots=1, weight=1),
    "keys": QueueRules({"max_running_per_key": "1"}, slots=1, weight=1, keys=2),
    "rated": QueueRules({"rate": '"2/s"'}, slots=1, weight=1),
    "free": QueueRules({}, slots=1, weight=1),
}


class Log:
    """Writes transactions as the triggers would."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._seqs = itertools.count(1)
        self._clock = itertools.count(100.0, 0.1)
        self.transactions: list[Transaction] = []
        self.told: dict[str, list[float]] = {}
        self.epoch()

    def write(self, *entries: tuple[str, str, dict[str, Any]], session: str = "s1") -> None:
        at = next(self._clock)
        made = [Entry(next(self._numbers), at, what, subject, data) for what, subject, data in entries]
        self.transactions.append(Transaction(session, tuple(made)))

    def epoch(self, epoch: int = 1) -> None:
        self.write(("epoch raised", "", {"epoch": epoch}), session=f"election {epoch}")

    def store(self, job: str, queue: str = "free", key: str = "") -> None:
        data = {"queue": queue, "key": key, "tag": job, "seq": next(self._seqs), "run_at": 0.0}
        self.write(("job stored", job, data))

    def grant(self, token: str, *jobs: str, queue: str = "free", epoch: int = 1, at: float = 0.0) -> None:
        granted_at = at or next(self._clock)
        data = {"queue": queue, "epoch": epoch, "worker": "w", "granted_at": granted_at, "jobs": list(jobs)}
        self.write(("lease granted", token, data))

    def change(self, job: str, before: str, after: str, token: str | None = None, session: str = "s1") -> None:
        data = {"from": before, "to": after, "token": token, "old_token": None, "run_at": 0.0, "seq": 1, "queue": ""}
        self.write(("job changed", job, data), session=session)

    def cancel_and_retry(self, job: str, queue: str = "free") -> None:
        """It gets a place at the end of the line; its caller has yet to be told."""
        self.change(job, "pending", "cancelled")
        data = {"from": "cancelled", "to": "pending", "token": None, "old_token": None, "run_at": 0.0, "queue": queue}
        self.write(("job changed", job, {**data, "seq": next(self._seqs)}))

    def tell(self, job: str) -> None:
        """A caller is told now that it waits."""
        self.told.setdefault(job, []).append(next(self._clock))

    def found(self) -> list[str]:
        return [violation.what for violation in Replay(self.transactions, QUEUES, self.told).violations]


@pytest.fixture
def log() -> Log:
    return Log()


def test_an_ordinary_life_is_no_violation(log: Log):
    log.store("a", "one")
    log.store("b", "one")
    log.grant("t1", "a", queue="one")
    log.change("a", "pending", "succeeded", "t1")
    log.grant("t2", "b", queue="one")
    log.change("b", "pending", "failed", "t2")
    log.change("b", "failed", "pending")
    assert log.found() == []


def test_two_valid_leases_of_a_job_are_found(log: Log):
    log.store("a")
    log.grant("t1", "a")
    log.grant("t2", "a")
    assert log.found() == ["I2 lease t2 while t1 is valid"]


def test_a_claim_of_a_job_that_has_ended_is_found(log: Log):
    log.store("a")
    log.grant("t1", "a")
    log.change("a", "pending", "succeeded", "t1")
    log.grant("t2", "a")
    assert log.found() == ["I2 claimed when it was succeeded"]


def test_an_end_by_a_run_that_is_not_the_current_one_is_found(log: Log):
    log.store("a")
    log.grant("t1", "a")
    log.write(("lease removed", "t1", {}))
    log.grant("t2", "a")
    log.change("a", "pending", "succeeded", "t1")
    assert log.found() == ["I3 ended by the run t1, and the valid lease is t2"]


def test_a_second_success_is_found(log: Log):
    log.store("a")
    log.grant("t1", "a")
    log.change("a", "pending", "succeeded", "t1")
    log.change("a", "succeeded", "succeeded", "t2")
    assert any(what.startswith("I4 succeeded → succeeded") for what in log.found())


def test_more_at_once_than_the_limit_allows_is_found(log: Log):
    log.store("a", "one")
    log.store("b", "one")
    log.grant("t1", "a", queue="one")
    log.grant("t2", "b", queue="one")
    assert log.found() == ["I7 2 of one run, and 1 may"]


def test_two_at_once_of_a_key_are_found(log: Log):
    for job, key in (("a", "x"), ("b", "y"), ("c", "x")):
        log.store(job, "keys", key)
    log.grant("t1", "a", "b", queue="keys")
    assert log.found() == []
    log.grant("t2", "c", queue="keys")
    assert log.found() == ["I6 2 of keys run with x, and 1 may"]


def test_a_claim_out_of_turn_is_found(log: Log):
    log.store("a", "one")
    log.store("b", "one")
    log.grant("t1", "b", queue="one")
    log.change("b", "pending", "succeeded", "t1")
    log.grant("t2", "a", queue="one")
    assert log.found() == ["I6 one : b was stored after a, and claimed before it"]


def run_out_of_turn(log: Log, first: str, second: str, epoch: int = 1) -> list[str]:
    """`second` has the later place, and is claimed first."""
    log.grant("t1", second, queue="one", epoch=epoch)
    log.change(second, "pending", "succeeded", "t1")
    log.grant("t2", first, queue="one", epoch=epoch)
    return log.found()


def test_a_retried_job_that_is_passed_after_its_caller_was_told_is_found(log: Log):
    log.store("a", "one")
    log.cancel_and_retry("a", "one")
    log.tell("a")
    log.store("b", "one")
    assert run_out_of_turn(log, "a", "b") == ["I6 one : b was stored after a, and claimed before it"]


def test_a_retried_job_may_be_passed_as_long_as_its_retry_may_not_be_committed(log: Log):
    log.store("a", "one")
    log.cancel_and_retry("a", "one")
    log.store("b", "one")
    log.tell("b")
    assert run_out_of_turn(log, "a", "b") == []
    log.tell("a")
    assert log.found() == []


def test_a_retried_job_that_is_passed_in_the_next_term_is_found(log: Log):
    log.store("a", "one")
    log.cancel_and_retry("a", "one")
    log.store("b", "one")
    log.epoch(2)
    passed = "I6 one : b was stored after a, and claimed before it"
    assert passed in run_out_of_turn(log, "a", "b", epoch=2), "a take-over reads every job that waits"


def test_a_retried_job_that_passes_one_whose_caller_was_told_before_is_found(log: Log):
    log.store("b", "one")
    log.store("a", "one")
    log.tell("a")
    log.cancel_and_retry("b", "one")
    assert run_out_of_turn(log, "a", "b") == ["I6 one : b was stored after a, and claimed before it"]


def test_a_claim_out_of_turn_is_found_beside_a_retried_job_that_may_pass(log: Log):
    log.store("c", "one")
    log.store("a", "one")
    log.store("b", "one")
    log.cancel_and_retry("c", "one")
    log.grant("t0", "c", queue="one")
    log.change("c", "pending", "succeeded", "t0")
    assert run_out_of_turn(log, "a", "b") == ["I6 one : b was stored after a, and claimed before it"]


def test_a_job_whose_claim_was_lost_with_its_term_may_be_passed(log: Log):
    log.store("a", "one")
    log.store("b", "one")
    log.grant("t1", "b", queue="one")
    log.change("b", "pending", "succeeded", "t1")
    log.epoch(2)
    log.grant("t2", "a", queue="one", epoch=2)
    assert not any(what.startswith("I6") for what in log.found())


def test_more_jobs_than_can_have_been_lost_with_their_term_are_found_when_they_are_passed(log: Log):
    for job in ("a", "b", "c"):
        log.store(job, "one")
    log.grant("t1", "c", queue="one")
    log.change("c", "pending", "succeeded", "t1")
    log.epoch(2)
    for job in ("a", "b"):
        log.grant(f"t-{job}", job, queue="one", epoch=2)
        log.change(job, "pending", "succeeded", f"t-{job}")
    assert [what for what in log.found() if what.startswith("I6")] == [
        f"I6 one : c was stored after {job}, and claimed before it" for job in ("a", "b")
    ]


def test_what_a_deposed_service_writes_is_found(log: Log):
    log.store("a")
    log.grant("t1", "a")
    log.epoch(2)
    log.change("a", "pending", "succeeded", "t1", session="s1")
    assert [what.split(":")[0] for what in log.found()] == ["I2 a session of term 1 wrote in term 2"]


def test_a_lease_of_an_old_term_is_found(log: Log):
    log.store("a")
    log.epoch(2)
    log.grant("t1", "a", epoch=1)
    assert "I2 a lease of term 1 was granted in term 2: t1" in log.found()


def test_a_claim_while_its_queue_is_paused_is_found(log: Log):
    log.store("a")
    log.write(("queue changed", "", {"name": "free", "paused": True}))
    log.grant("t1", "a")
    assert log.found() == ["F42 claimed while free was paused"]


def test_more_starts_in_a_second_than_the_rate_allows_are_found(log: Log):
    for number in range(3):
        log.store(str(number), "rated")
        log.grant(f"t{number}", str(number), queue="rated", at=200 + number / 10)
    assert log.found() == ["I7 3 of rated started within a second, and 2 may"]
