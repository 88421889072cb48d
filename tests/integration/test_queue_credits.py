"""Credits over the wire: what a user is given, once for each request, and how much of it is left."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from jobline.v1 import account_service_pb2 as pb
from support.queue_calls import Calls, refused
from support.queue_service import QueueServiceUnderTest

FREE = 5


@pytest.fixture
def user() -> str:
    """The id of somebody whom nobody knows yet."""
    return f"user-{uuid.uuid4()}"


def in_seconds(seconds: float) -> Timestamp:
    return Timestamp(seconds=int(time.time() + seconds))


def grant(calls: Calls, user: str, count: int, **fields: Any) -> tuple[int, int, int, int]:
    request = pb.GrantCreditsRequest(user_id=user, count=count, **fields)
    return numbers(calls.accounts.GrantCredits(request).credits)


def credits_of(calls: Calls, user: str) -> tuple[int, int, int, int]:
    return numbers(calls.accounts.GetCredits(pb.GetCreditsRequest(user_id=user)).credits)


def numbers(found: pb.Credits) -> tuple[int, int, int, int]:
    return found.active, found.reserved, found.used, found.expired


def test_a_grant_to_somebody_unknown_stores_the_user_with_the_free_credits(calls: Calls, user: str):
    with refused("USER_NOT_FOUND"):
        credits_of(calls, user)
    assert grant(calls, user, 3) == (FREE + 3, 0, 0, 0)
    assert grant(calls, user, 1) == (FREE + 4, 0, 0, 0) == credits_of(calls, user)


def test_the_first_token_of_a_user_who_was_granted_credits_brings_no_more(
    service: QueueServiceUnderTest, calls: Calls, user: str
):
    grant(calls, user, 1)
    caller = pb.Caller(sub=user, email="ada@example.org")
    with Calls(service.address, service.gateway_token) as gateway:
        answer = gateway.accounts.EnsureCaller(pb.EnsureCallerRequest(caller=caller))
    assert (answer.created, answer.user.credits, answer.user.email) == (False, FREE + 1, "ada@example.org")


@pytest.mark.parametrize("again", [2, 7])
def test_the_same_request_grants_nothing_more(calls: Calls, user: str, again: int):
    request_id = str(uuid.uuid4())
    assert grant(calls, user, 2, request_id=request_id) == (FREE + 2, 0, 0, 0)
    assert grant(calls, user, again, request_id=request_id) == (FREE + 2, 0, 0, 0)
    with ThreadPoolExecutor(4) as pool:
        request_id = str(uuid.uuid4())
        list(pool.map(lambda _: grant(calls, user, 3, request_id=request_id), range(8)))
    assert credits_of(calls, user) == (FREE + 5, 0, 0, 0)


@pytest.mark.parametrize(
    ("source", "word", "priority"),
    [
        (pb.CREDIT_SOURCE_UNSPECIFIED, "admin_grant", 50),
        (pb.CREDIT_SOURCE_SUBSCRIPTION, "subscription", 50),
        (pb.CREDIT_SOURCE_PURCHASE, "purchase", 100),
        (pb.CREDIT_SOURCE_REFERRAL, "referral", 75),
        (pb.CREDIT_SOURCE_ADMIN_GRANT, "admin_grant", 50),
    ],
)
def test_the_source_decides_the_priority(
    service: QueueServiceUnderTest,
    calls: Calls,
    user: str,
    source: pb.CreditSource.ValueType,
    word: str,
    priority: int,
):
    grant(calls, user, 1, source=source)
    newest = "SELECT source_type, priority, status FROM user_credits WHERE user_id = %s ORDER BY seq DESC LIMIT 1"
    assert service.execute(newest, user) == [(word, priority, "active")]


def test_credits_cease_to_count_when_their_time_has_passed(service: QueueServiceUnderTest, calls: Calls, user: str):
    assert grant(calls, user, 2, expires_at=in_seconds(3600)) == (FREE + 2, 0, 0, 0)
    service.execute("UPDATE user_credits SET expires_at = now() WHERE user_id = %s AND expires_at > now()", user)
    assert credits_of(calls, user) == (FREE, 0, 0, 2)
    service.execute("UPDATE user_credits SET status = 'expired' WHERE user_id = %s AND expires_at IS NULL", user)
    assert credits_of(calls, user) == (0, 0, 0, FREE + 2)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"user_id": ""}, "user_id"),
        ({"user_id": "u" * 256}, "user_id"),
        ({"count": 0}, "count"),
        ({"count": 10_001}, "count"),
        ({"source": 99}, "source"),
        ({"expires_at": Timestamp(seconds=1)}, "expires_at"),
        ({"expires_at": Timestamp(seconds=-(10**12))}, "expires_at"),
        ({"request_id": "once"}, "request_id"),
    ],
)
def test_a_grant_that_makes_no_sense_is_refused(calls: Calls, user: str, fields: dict[str, Any], field: str):
    with refused("INVALID_FIELD") as seen:
        calls.accounts.GrantCredits(pb.GrantCreditsRequest(**{"user_id": user, "count": 1, **fields}))
    assert seen[0].fields == (field,)
    with refused("USER_NOT_FOUND"):
        credits_of(calls, user)


@pytest.mark.parametrize(
    ("column", "value"),
    [("source_type", "theft"), ("status", "lost"), ("job_id", "0190a000-0000-7000-8000-000000000000")],
)
def test_the_table_takes_only_the_words_of_the_contract(
    service: QueueServiceUnderTest, calls: Calls, user: str, column: str, value: str
):
    grant(calls, user, 1)
    with pytest.raises(Exception, match="violates check constraint"):
        service.execute(f"UPDATE user_credits SET {column} = %s WHERE user_id = %s", value, user)
