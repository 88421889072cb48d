"""What the hub keeps and whom it tells: topics, resumption, bounds; and when a place is news."""

from __future__ import annotations

from typing import Any

import pytest

from jobline.places import ToldPlaces
from jobline.v1 import job_pb2
from jobline.v1 import job_service_pb2 as pb
from jobline_gateway.live.change import Change, of_job, of_owner
from jobline_gateway.live.ring import Ring
from jobline_gateway.live.watcher import MOST_PLACED, Watcher

ANN, BOB = (of_owner("email_default", f"user:{name}") for name in ("ann", "bob"))


def change(number: int, owner: str = "user:ann", job_id: str = "j", at: float = 0.0, **job: object) -> Change:
    fields: dict[str, Any] = {"queue": "email_default", "kind": "generate_email", **job}
    told = job_pb2.Job(id=job_id, owner=owner, **fields)
    return Change.of(pb.WatchJobsResponse(change_id=f"7-{number}", job=told), number, at)


def ring(*changes: Change, most: int = 50_000, longest: float = 600.0, after: int = 0) -> Ring:
    made = Ring(most, longest)
    made.begin(7, after)
    for each in changes:
        made.add(each)
    return made


def numbers(changes: list[Change] | None) -> list[int] | None:
    return None if changes is None else [each.number for each in changes]


def test_a_removal_concerns_those_whom_the_job_concerned() -> None:
    removed = pb.WatchJobsResponse(removed_id="j", removed_queue="email_default", removed_owner="user:ann")
    assert Change.of(removed, 1, 0.0).topic == ANN
    removed = pb.WatchJobsResponse(removed_id="j", removed_queue="amb-jobs", removed_owner="user:ann")
    assert Change.of(removed, 1, 0.0).topic == of_job("amb-jobs", "j")


@pytest.mark.parametrize("queue", ["email_default", "communications", "ingestion", "vectorization"])
def test_a_job_of_a_kind_that_no_product_shows_concerns_nobody(queue: str) -> None:
    assert change(1, queue=queue, kind="foreign").topic == ""


def test_who_comes_back_is_told_what_concerns_them_since() -> None:
    kept = ring(change(3), change(5, "user:bob"), change(9), change(12, "user:bob"), after=2)
    assert numbers(kept.since([ANN], "7-2")) == [3, 9]
    assert numbers(kept.since([ANN], "7-3")) == [9]
    assert numbers(kept.since([ANN], "7-4")) == [9]
    assert numbers(kept.since([BOB, ANN], "7-4")) == [5, 9, 12]
    assert numbers(kept.since([ANN], "7-12")) == []


@pytest.mark.parametrize("unknown", ["7-1", "7-13", "6-3", "8-3", "", "x", "7-", "7-²", "-3", f"7-{'9' * 30}"])
def test_what_is_not_known_for_certain_is_none(unknown: str) -> None:
    assert ring(change(3), change(12), after=2).since([ANN], unknown) is None


def test_a_ring_forgets_by_number_and_by_age_and_knows_what_it_has_forgotten() -> None:
    by_number = ring(*(change(number) for number in range(1, 11)), most=4)
    assert numbers(by_number.since([ANN], "7-6")) == [7, 8, 9, 10]
    assert by_number.since([ANN], "7-5") is None
    by_age = ring(*(change(number, at=float(number)) for number in range(1, 11)), longest=3.0)
    assert numbers(by_age.since([ANN], "7-6")) == [7, 8, 9, 10]
    assert by_age.since([ANN], "7-5") is None
    by_age.forget()
    assert (by_age.since([ANN], "7-10"), by_age.last_id) == (None, "0-0")


def test_the_latest_of_each_job_is_found_by_age() -> None:
    kept = ring(change(1, at=1.0), change(2, at=2.0), change(3, job_id="k", at=2.0), change(4, at=3.0))
    assert numbers(kept.latest([ANN], 1.5)) == [3, 4]


def test_the_newest_jobs_that_live_are_placed_and_no_more_than_may_be() -> None:
    watcher = Watcher([ANN])
    watcher.live_on(str(number) for number in range(MOST_PLACED + 5))
    assert len(watcher.living) == MOST_PLACED
    assert "4" not in watcher.living
    watcher.place([job_pb2.JobPlace(id="7", position=3)], now=0.0)
    watcher.tell(change(1, job_id="7", state=job_pb2.JOB_STATE_SUCCEEDED))
    changes, places = watcher.take()
    assert (numbers(changes), places) == ([1], [])  # it has ended: where it was is no news
    assert "7" not in watcher.living


def place(position: int, p50: float | None = None, reason: str = "") -> job_pb2.JobPlace:
    eta = job_pb2.Eta(reason=reason)
    if p50 is not None:
        eta.p50.FromMilliseconds(int(p50 * 1000))
        eta.p90.FromMilliseconds(int(p50 * 2000))
    return job_pb2.JobPlace(id="j", position=position, eta=eta)


@pytest.mark.parametrize(
    ("later", "news"),
    [
        (place(3, 90.0), False),  # ten seconds later, ten seconds less
        (place(3, 88.0), False),
        (place(3, 70.0), True),
        (place(3, 130.0), True),
        (place(2, 90.0), True),
        (place(3, reason="QUEUE_PAUSED"), True),
    ],
)
def test_an_end_that_stays_where_it_was_is_no_news(later: job_pb2.JobPlace, news: bool) -> None:
    told = ToldPlaces()
    assert told.news([place(3, 100.0)], now=50.0)
    assert bool(told.news([later], now=60.0)) is news
    told.forget(["j"])
    assert told.news([later], now=60.0)
