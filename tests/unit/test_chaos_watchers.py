"""What the watchers of `make chaos` are told is checked: each rule is broken once, in changes made by hand."""

from __future__ import annotations

from chaos.watchers import Sightings
from jobline.client import Change, JobState
from support.job_values import job_value


def told(*changes: tuple[str, str, str], resync_at: int = -1) -> Sightings:
    """A watcher's sightings of (change id, job, state or `removed`)."""
    seen = Sightings("few")
    for number, (change_id, job, state) in enumerate(changes):
        known = None if state == "removed" else job_value(job, JobState(state))
        seen.note(Change(change_id, number == resync_at, known, job if known is None else ""))
    return seen


def found(seen: Sightings, **ends: str) -> list[str]:
    return [
        violation.what for violation in seen.judge({job: job_value(job, JobState(end)) for job, end in ends.items()})
    ]


def test_an_ordinary_watch_is_no_violation():
    seen = told(
        ("", "b", "running"), ("1-4", "a", "running"), ("1-5", "a", "pending"), ("1-6", "a", "running"),
        ("1-8", "b", "succeeded"), ("1-9", "a", "succeeded"), ("1-10", "b", "removed"),
    )  # fmt: skip
    assert found(seen, a="succeeded") == []
    assert seen.changes == 5


def test_a_transition_that_was_not_told_is_found():
    seen = told(("1-4", "a", "pending"), ("1-5", "a", "pending"), ("1-7", "a", "succeeded"))
    assert found(seen, a="succeeded") == ["I4 pending → succeeded: its watcher was told ['pending', 'succeeded']"]


def test_a_change_that_was_told_twice_is_found():
    seen = told(("1-4", "a", "pending"), ("1-5", "a", "running"), ("1-5", "a", "running"), ("1-6", "a", "succeeded"))
    assert found(seen, a="succeeded") == ["I12 few: change 1-5 was told after 1-5"]


def test_a_term_that_begins_without_a_resync_is_found():
    seen = told(("1-4", "a", "pending"), ("2-5", "a", "running"), ("2-6", "a", "succeeded"))
    assert found(seen, a="succeeded") == ["I12 few: change 2-5 was told after 1-4"]


def test_an_end_that_was_not_told_is_found():
    seen = told(("1-4", "a", "pending"), ("1-5", "a", "running"))
    assert found(seen, a="succeeded") == ["I12 succeeded in the end, and its watcher was told ['running']"]


def test_a_resync_lets_go_of_what_was_known():
    seen = told(("1-4", "a", "pending"), ("1-5", "a", "pending"), ("2-1", "b", "running"), ("2-2", "b", "succeeded"),
                resync_at=2)  # fmt: skip
    assert found(seen, a="succeeded", b="succeeded") == []
    assert seen.resyncs == 1
