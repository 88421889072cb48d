"""RunChore: one caller is granted a chore at one of its times, whoever asks and whatever happens to the service."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from jobline.v1 import queue_service_pb2 as pb
from support.queue_calls import Calls, refused
from support.queue_service import QueueServiceUnderTest

DAY = 86400


@pytest.fixture
def chore() -> str:
    return f"chore-{uuid.uuid4().hex[:12]}"


def at(days_ago: float = 0.0) -> Timestamp:
    """A minute's beginning."""
    return Timestamp(seconds=int(time.time() - days_ago * DAY) // 60 * 60)


def ask(calls: Calls, name: str, fire_time: Timestamp) -> bool:
    return bool(calls.queues.RunChore(pb.RunChoreRequest(name=name, fire_time=fire_time)).granted)


def test_one_of_many_callers_is_granted_a_chore_at_a_time_and_each_time_is_another(calls: Calls, chore: str):
    now, before = at(), at(days_ago=1)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: ask(calls, chore, now), range(40)))
    assert sorted(answers) == [False] * 39 + [True]
    assert [ask(calls, chore, before), ask(calls, chore, before)] == [True, False]
    assert ask(calls, f"{chore}-2", now)


def test_a_grant_outlives_the_service(lent_service: QueueServiceUnderTest, chore: str):
    now = at()
    with Calls(lent_service.address, lent_service.operator_token) as calls:
        assert ask(calls, chore, now)
        lent_service.restart()
        calls.channel_ready()
        assert not ask(calls, chore, now)


def test_what_is_a_month_ago_is_forgotten_and_granted_to_nobody(
    calls: Calls, service: QueueServiceUnderTest, chore: str
):
    store = "INSERT INTO jobline.chore_runs VALUES (%s, now() - make_interval(days => %s), 'somebody', now())"
    for days in (29, 31):
        service.execute(store, chore, days)
    assert ask(calls, chore, at())
    assert not ask(calls, chore, at(days_ago=31))
    kept = "SELECT granted_to FROM jobline.chore_runs WHERE name = %s ORDER BY fire_time"
    assert service.execute(kept, chore) == [("somebody",), ("service:operator",)]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.RunChoreRequest(fire_time=Timestamp()), "name"),
        (pb.RunChoreRequest(name="Clean up", fire_time=Timestamp()), "name"),
        (pb.RunChoreRequest(name="x" * 65, fire_time=Timestamp()), "name"),
        (pb.RunChoreRequest(name="cleanup"), "fire_time"),
        (pb.RunChoreRequest(name="cleanup", fire_time=Timestamp(seconds=2**60)), "fire_time"),
    ],
    ids=["no name", "other characters", "a long name", "no time", "no year"],
)
def test_a_chore_has_a_name_and_a_time(calls: Calls, request_: pb.RunChoreRequest, field: str):
    with refused("INVALID_FIELD") as refusals:
        calls.queues.RunChore(request_)
    assert refusals[0].fields == (field,)
