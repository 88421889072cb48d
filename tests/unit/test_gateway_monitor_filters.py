"""Which jobs the monitor's page may ask for: the filter in a query and in a body, orders, pages, and what is refused."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from jobline.v1 import job_pb2
from jobline.v1 import job_service_pb2 as pb
from support.monitor_rest import HOSTILE, ask, at

EVERYTHING = pb.JobFilter(
    queues=["mail", "b"],
    kind="greet",
    owner="user:ann",
    states=[job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED],
    error="TIMEOUT",
    created_after=at("2026-02-06T09:00:00Z"),
    created_before=at("2026-02-06T10:00:00.5Z"),
)
QUERY = (
    "queue=mail&queue=b&kind=greet&owner=user:ann&state=failed&state=cancelled&error=TIMEOUT"
    "&createdAfter=2026-02-06T10:00:00+01:00&createdBefore=2026-02-06T10:00:00.5Z"
)
BODY: dict[str, Any] = {
    "queue": ["mail", "b"],
    "kind": "greet",
    "owner": "user:ann",
    "state": ["failed", "cancelled"],
    "error": "TIMEOUT",
    "createdAfter": "2026-02-06T10:00:00+01:00",
    "createdBefore": "2026-02-06T10:00:00.5Z",
}


async def listed(query: str) -> Any:
    got, request = await ask("GET", f"jobs?{query}", ListJobs=pb.ListJobsResponse())
    assert got.status_code == 200, got.text
    return request


async def test_a_filter_reads_the_same_in_a_query_and_in_a_body() -> None:
    assert (await listed(QUERY)).filter == EVERYTHING
    _, counted = await ask("GET", f"jobs/count?{QUERY}", CountJobs=pb.CountJobsResponse())
    assert counted.filter == EVERYTHING

    async def dry(call: Any, context: Any) -> Any:
        yield pb.RetryJobsResponse(progress=pb.BulkProgress(total=1))

    body = {"act": "retry", "filter": BODY, "dryRun": True}
    _, acted = await ask("POST", "jobs/bulk", json=body, RetryJobs=dry)
    assert acted.filter == EVERYTHING


@pytest.mark.parametrize(
    "query", ["", "queue=&state=&kind=&owner=&error=&createdAfter=&order=&dir=&cursor=&limit=", "x=1"]
)
async def test_what_is_left_out_or_empty_does_not_filter(query: str) -> None:
    assert await listed(query) == pb.ListJobsRequest(filter=pb.JobFilter(), order=pb.JOB_ORDER_CREATED)


@pytest.mark.parametrize(
    ("word", "order"),
    [
        ("created", pb.JOB_ORDER_CREATED),
        ("updated", pb.JOB_ORDER_UPDATED),
        ("finished", pb.JOB_ORDER_FINISHED),
        ("runAt", pb.JOB_ORDER_RUN_AT),
        ("priority", pb.JOB_ORDER_PRIORITY),
        ("attempt", pb.JOB_ORDER_ATTEMPT),
    ],
)
async def test_an_order_and_its_direction(word: str, order: int) -> None:
    request = await listed(f"order={word}&dir=asc&cursor=abc&limit=7")
    assert (request.order, request.ascending, request.page_token, request.page_size) == (order, True, "abc", 7)
    assert not (await listed(f"order={word}&dir=desc")).ascending


async def test_of_a_parameter_that_may_not_be_repeated_the_last_one_counts() -> None:
    request = await listed("kind=a&kind=b&limit=1&limit=900")
    assert (request.filter.kind, request.page_size) == ("b", 500)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("state=done", "state.0 must be one of pending, running, succeeded, failed, cancelled"),
        ("state=failed&state=FAILED", "state.1 must be one of pending, running, succeeded, failed, cancelled"),
        ("order=id", "order must be one of created, updated, finished, runAt, priority, attempt"),
        ("order=created;drop", "order must be one of created, updated, finished, runAt, priority, attempt"),
        ("dir=up", "dir must be one of desc, asc"),
        ("limit=0", "limit must be a positive integer"),
        ("limit=ten", "limit must be a positive integer"),
        ("createdAfter=yesterday", "createdAfter must be a timestamp with offset, such as 2025-10-26T11:00:00Z"),
        ("createdBefore=2026-02-06", "createdBefore must be a timestamp with offset, such as 2025-10-26T11:00:00Z"),
        (
            "createdAfter=0000-01-01T00:00:00Z",
            "createdAfter must be a timestamp with offset, such as 2025-10-26T11:00:00Z",
        ),
        (f"kind={'x' * 65}", "kind must have 1 to 64 characters"),
        (f"owner={'x' * 265}", "owner must have 1 to 264 characters"),
        (f"error={'x' * 256}", "error must have 1 to 255 characters"),
        (f"queue={'x' * 65}", "queue must hold at most 100 strings of at most 64 characters"),
        ("&".join(["queue=x"] * 101), "queue must hold at most 100 strings of at most 64 characters"),
        ("kind=%00", "kind must not contain NUL characters"),
    ],
)
async def test_a_bad_parameter_is_named(query: str, told: str) -> None:
    got, request = await ask("GET", f"jobs?{query}", ListJobs=pb.ListJobsResponse())
    assert (got.status_code, got.json(), request) == (400, {"error": told}, None)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("trends?range=2h", "range must be one of 1h, 24h, 7d"),
        (f"trends?queue={'x' * 65}", "queue must have 1 to 64 characters"),
        ("events?withSystem=1", "withSystem must be one of true, false"),
        (f"events?actor={'x' * 265}", "actor must have 1 to 264 characters"),
        ("events?limit=-1", "limit must be a positive integer"),
        ("jobs/count?state=x", "state.0 must be one of pending, running, succeeded, failed, cancelled"),
        ("jobs.csv?order=x", "order must be one of created, updated, finished, runAt, priority, attempt"),
    ],
)
async def test_so_it_is_elsewhere(path: str, told: str) -> None:
    got, request = await ask("GET", path)
    assert (got.status_code, got.json(), request) == (400, {"error": told}, None)


async def test_who_may_not_look_is_told_so_and_not_what_is_bad() -> None:
    got, _ = await ask("GET", "jobs?order=x", "user")
    assert (got.status_code, got.json()) == (403, {"error": "Forbidden"})


async def test_hostile_text_is_only_text() -> None:
    like = "%_\\' OR 1=1 --"
    request = await listed(f"owner={quote(HOSTILE)}&error={quote(like)}")
    assert (request.filter.owner, request.filter.error) == (HOSTILE, like)
