"""Who may read the monitor's API, and in what words it refuses."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.message import Message

from jobline.v1 import job_service_pb2 as jobs_pb
from jobline.v1 import queue_service_pb2 as queues_pb
from support.gateway import bearer, gateway_client
from support.monitor_rest import API, JOB_ID, ask, cookie, role
from support.queue_peers import Answer, Call, Context, queue_peer, refuse

FORBIDDEN = refuse(grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN")
NO_JOB = refuse(grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")

#: Every reading call of the page, and what it asks the queue service.
READS: list[tuple[str, str, Message]] = [
    ("queues", "ListQueues", queues_pb.ListQueuesResponse()),
    ("trends", "GetTrends", queues_pb.GetTrendsResponse()),
    ("workers", "ListWorkers", queues_pb.ListWorkersResponse()),
    ("events", "ListEvents", queues_pb.ListEventsResponse()),
    ("jobs", "ListJobs", jobs_pb.ListJobsResponse()),
    ("jobs/count", "CountJobs", jobs_pb.CountJobsResponse()),
    (f"jobs/{JOB_ID}", "ExplainJob", jobs_pb.ExplainJobResponse()),
]
CALLS: list[tuple[str, str]] = [(path, call) for path, call, _ in READS]


# ---- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["me", "stream", "jobs.csv", *(path for path, _ in CALLS)])
async def test_without_a_token_and_with_too_small_a_role_the_answer_is_json(path: str) -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        for headers, expected in (
            ({}, (401, '{"error":"Unauthorized"}')),
            ({"authorization": "Bearer nonsense"}, (401, '{"error":"Unauthorized"}')),
            ({"cookie": "session=nonsense"}, (401, '{"error":"Unauthorized"}')),
            (bearer(**role("user")), (403, '{"error":"Forbidden"}')),
            (cookie("support"), (403, '{"error":"Forbidden"}')),
        ):
            got = await gateway.get(f"{API}/{path}", headers=headers)
            assert (got.status_code, got.text) == expected
            assert got.headers["content-type"] == "application/json"
        assert {call.method for call in peer.received} <= {"EnsureCaller"}


@pytest.mark.parametrize("as_role", ["manager", "admin"])
async def test_somebody_is_told_who_they_are_and_whether_they_may_act(as_role: str) -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        got = await gateway.get(f"{API}/me", headers=bearer("ann", email="a@b.c", exp=2_000_000_000, **role(as_role)))
    me = got.json()
    assert me.pop("version")
    assert me == {
        "sub": "ann",
        "email": "a@b.c",
        "role": as_role,
        "canAct": as_role == "admin",
        "expiresAt": "2033-05-18T03:33:20Z",
    }


async def test_a_token_that_ends_when_no_calendar_does_has_no_time() -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        got = await gateway.get(f"{API}/me", headers=bearer(exp=10**15, **role("admin")))
    assert (got.status_code, got.json()["expiresAt"]) == (200, None)


@pytest.mark.parametrize(("path", "call"), CALLS)
async def test_what_the_queue_service_refuses_is_refused_in_its_sense(path: str, call: str) -> None:
    refusals: list[tuple[Answer, int, str]] = [
        (FORBIDDEN, 403, "Forbidden"),
        (refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_BROAD"), 422, "Refused by the test"),
        (refuse(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE"), 503, "Service unavailable"),
        (refuse(grpc.StatusCode.INTERNAL, "INTERNAL"), 500, "Internal server error"),
        (refuse(grpc.StatusCode.NOT_FOUND, "QUEUE_NOT_FOUND"), 404, "Queue not found"),
    ]
    for refusal, status, text in refusals:
        got, _ = await ask("GET", path, **{"GetJob": NO_JOB, call: refusal})
        assert (got.status_code, got.json()) == (status, {"error": text})


@pytest.mark.parametrize(
    ("path", "asked"),
    [("jobs", "ListJobs"), ("jobs/count", "CountJobs"), ("jobs.csv", "CountJobs"), ("events", "ListEvents")],
)
async def test_a_search_that_is_cut_off_has_the_time_to_say_so(path: str, asked: str) -> None:
    async def cut_off(call: Call, context: Context) -> Message:
        left = context.time_remaining()
        assert left is not None
        assert left > 5.5, "the queue service cuts a search off after 5 s"
        return await refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_BROAD")(call, context)

    got, _ = await ask("GET", path, **{asked: cut_off})
    assert got.status_code == 422


async def test_a_bad_field_of_the_contract_is_named_as_in_the_query() -> None:
    for field, told in (
        ("page_token", "cursor: bad"),
        ("filter.queues[0]", "queue.0: bad"),
        ("filter.created_after", "createdAfter: bad"),
        ("filter", "filter: bad"),
    ):
        refusal = refuse(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", fields={field: "bad"})
        got, _ = await ask("GET", "jobs", ListJobs=refusal)
        assert (got.status_code, got.json()) == (400, {"error": told})


async def test_only_known_paths_and_methods() -> None:
    got, _ = await ask("GET", "unknown")
    assert (got.status_code, got.json()) == (404, {"error": "Not found"})
    got, _ = await ask("POST", "queues")
    assert (got.status_code, got.json(), got.headers["allow"]) == (405, {"error": "Method not allowed"}, "GET")
    got, _ = await ask("GET", "queues/x/pause")
    assert (got.status_code, got.headers["allow"]) == (405, "POST")
