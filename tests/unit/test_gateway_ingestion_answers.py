"""What the database queue answers to users and admins, and what it asks the services for."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest

from jobline.v1 import ingestion_service_pb2 as pb
from support.gateway import gateway_client, user_token
from support.ingestion_rest import (
    ADMIN,
    INGEST,
    JOB_ID,
    LITERALS,
    PROJECT,
    PROJECTS,
    RECORD,
    SHOWN_PROJECT,
    answer,
    ask,
    at,
    ingest_job,
    said,
)
from support.queue_peers import queue_peer, refuse

MEBIBYTE = 1024 * 1024
FORBIDDEN = refuse(grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN")
AWAY = refuse(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
NO_JOB = refuse(grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")
NO_PROJECT = refuse(grpc.StatusCode.NOT_FOUND, "PROJECT_NOT_FOUND")
COMPLETED = refuse(grpc.StatusCode.FAILED_PRECONDITION, "ILLEGAL_TRANSITION", state="COMPLETED")

ENDPOINTS = [
    ("POST", PROJECTS),
    ("GET", PROJECTS),
    ("POST", f"{PROJECTS}/p/search"),
    ("POST", f"{INGEST}/csv"),
    ("POST", f"{INGEST}/api"),
    ("GET", f"{INGEST}/status"),
    ("GET", f"{INGEST}/jobs"),
    ("POST", f"{INGEST}/cancel"),
    ("GET", f"{ADMIN}/stats"),
    ("POST", f"{ADMIN}/retry"),
    ("POST", f"{ADMIN}/cancel"),
]
ELSEWHERE = [
    ("GET", f"{INGEST}/nope"),
    ("DELETE", PROJECTS),
    ("GET", f"{PROJECTS}/p"),
    ("GET", ADMIN),
    ("PUT", f"{ADMIN}/retry"),
]


# ---- the door -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), [*ENDPOINTS, *ELSEWHERE])
async def test_a_stranger_is_told_so_and_nothing_else(method: str, path: str) -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        sent: list[dict[str, str]] = [
            {},
            {"authorization": "Bearer x"},
            {"authorization": f"Bearer {user_token(exp=1)}"},
        ]
        for headers in (*sent, {"authorization": "Basic eA=="}, {"cookie": "session=x"}):
            for content in (b"", b"{", b" " * (17 * MEBIBYTE)) if headers == {} else (b"{",):
                got = await gateway.request(method, path, headers=headers, content=content)
                assert answer(got) == LITERALS["unauthorized"]
                assert got.headers["www-authenticate"] == "Bearer"
        assert peer.received == []


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
async def test_a_change_on_the_word_of_the_cookie_must_come_from_our_own_pages(method: str, path: str) -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        headers = {"cookie": f"session={user_token()}", "sec-fetch-site": "cross-site"}
        got = await gateway.request(method, path, headers=headers)
        assert (answer(got) == LITERALS["forbidden"]) is (method == "POST")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", PROJECTS, "GET, POST"),
        ("GET", f"{PROJECTS}/a/b/search", "POST"),
        ("GET", f"{INGEST}/csv", "POST"),
        ("DELETE", f"{INGEST}/api/", "POST"),
        ("POST", f"{INGEST}/status", "GET"),
        ("GET", f"{ADMIN}/retry", "POST"),
        ("GET", f"{ADMIN}/cancel?jobId=x", "POST"),
        ("POST", f"{ADMIN}/stats", "GET"),
    ],
)
async def test_a_wrong_method_is_405_and_an_unknown_path_404(method: str, path: str, allow: str) -> None:
    got, _ = await ask(method, path)
    assert (answer(got), got.headers["allow"]) == (LITERALS["no method"], allow)
    got, _ = await ask(method, f"{path.partition('?')[0].rstrip('/')}/nope")
    assert answer(got) == LITERALS["no path"]


@pytest.mark.parametrize("path", [PROJECTS, f"{PROJECTS}/p/search", f"{INGEST}/cancel", f"{ADMIN}/retry"])
async def test_a_body_over_one_mebibyte_is_too_large(path: str) -> None:
    got, _ = await ask("POST", path, content=b" " * (MEBIBYTE + 1))
    assert answer(got) == LITERALS["too large"]


@pytest.mark.parametrize(
    ("method", "path", "call", "body"),
    [
        ("POST", PROJECTS, "CreateProject", {"name": "x"}),
        ("GET", PROJECTS, "ListProjects", None),
        ("POST", f"{PROJECTS}/p/search", "GetProject", {"query": "x"}),
        ("POST", f"{INGEST}/api", "StartIngest", {"projectId": "p", "records": [RECORD]}),
        ("GET", f"{INGEST}/status?jobId=j", "GetIngestJob", None),
        ("GET", f"{INGEST}/jobs?projectId=p", "ListIngestJobs", None),
        ("POST", f"{INGEST}/cancel", "CancelIngestJob", {"jobId": "j"}),
        ("GET", f"{ADMIN}/stats", "GetIngestionStats", None),
        ("POST", f"{ADMIN}/retry?jobId={JOB_ID}", "RetryIngestionJob", None),
        ("POST", f"{ADMIN}/cancel?jobId={JOB_ID}", "CancelIngestionJob", None),
    ],
)
async def test_what_the_queue_service_refuses_has_an_answer(method: str, path: str, call: str, body: Any) -> None:
    fault = refuse(grpc.StatusCode.INTERNAL, "INTERNAL")
    for refusal, literal in ((FORBIDDEN, "forbidden"), (AWAY, "unavailable"), (fault, "fault")):
        got, _ = await ask(method, path, json=body, **{call: refusal})
        assert answer(got) == LITERALS[literal]


# ---- projects -------------------------------------------------------------------------------------------------------


async def test_a_project_is_made_with_the_id_that_was_asked_for_or_one_of_its_own() -> None:
    made = pb.CreateProjectResponse(project=PROJECT)
    for id, sent in (("proj/4 56%\n", "proj/4 56%\n"), (None, ""), ("x" * 255, "x" * 255)):
        got, request = await ask("POST", PROJECTS, json={"name": " ü" * 127, "id": id, "x": 1}, CreateProject=made)
        assert answer(got) == (201, SHOWN_PROJECT)
        assert request == pb.CreateProjectRequest(id=sent, name=" ü" * 127)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "name must be given"),
        ({"name": None}, "name must be given"),
        ({"name": 7}, "name must be a string"),
        ({"name": ""}, "name must have 1 to 255 characters"),
        ({"name": "x" * 256}, "name must have 1 to 255 characters"),
        ({"name": "a\0b"}, "name must not contain NUL characters"),
        ({"name": "x", "id": ""}, "id must have 1 to 255 characters"),
        ({"name": "x", "id": "x" * 256}, "id must have 1 to 255 characters"),
        ({"name": "x", "id": 7}, "id must be a string"),
        ({"name": "x", "id": "\ud800"}, "id must not contain half a surrogate pair"),
        ([], "Request body must be a JSON object"),
        (None, "Request body is not valid JSON"),
    ],
)
async def test_a_bad_project_is_refused(body: Any, text: str) -> None:
    content = b"" if body is None else json.dumps(body).encode()
    got, request = await ask("POST", PROJECTS, content=content)
    assert (got.status_code, got.json(), request) == (*said(text), None)


async def test_an_id_is_given_once() -> None:
    taken = refuse(grpc.StatusCode.ALREADY_EXISTS, "PROJECT_EXISTS")
    got, _ = await ask("POST", PROJECTS, json={"name": "x", "id": "proj-456"}, CreateProject=taken)
    assert answer(got) == LITERALS["project exists"]


async def test_projects_are_listed_as_they_come() -> None:
    found = pb.ListProjectsResponse(
        projects=[PROJECT, pb.Project(id="b", name="B", created_at=at("2026-02-05T00:00:00Z"))]
    )
    for path in (PROJECTS, f"{PROJECTS}/"):
        got, _ = await ask("GET", path, ListProjects=found)
        assert answer(got) == (200, f'[{SHOWN_PROJECT},{{"id":"b","name":"B","createdAt":"2026-02-05T00:00:00Z"}}]')


# ---- ingest jobs ----------------------------------------------------------------------------------------------------

COMPLETE = ingest_job(
    "COMPLETED",
    total_records=1005,
    saved_count=1000,
    skipped_count=5,
    skipped_details={"Keyword Mismatch": 2, "Duplicate ID": 3},
)
EXAMPLE = (
    '{"id":"ingest-123","projectId":"proj-456","type":"TASK","status":"COMPLETED","totalRecords":1005,"savedCount":1000,'
    '"skippedCount":5,"skippedDetails":{"Duplicate ID":3,"Keyword Mismatch":2},"error":null,'
    '"createdAt":"2026-02-06T10:00:00Z","updatedAt":"2026-02-06T10:01:10Z"}'
)


async def test_an_ingest_job_is_shown_as_in_the_example() -> None:
    got, request = await ask(
        "GET", f"{INGEST}/status?jobId=ingest-123", GetIngestJob=pb.GetIngestJobResponse(job=COMPLETE)
    )
    assert answer(got) == (200, EXAMPLE)
    assert request == pb.GetIngestJobRequest(id="ingest-123")


@pytest.mark.parametrize(
    "status", ["PENDING", "PROCESSING", "QUEUED_FOR_VEC", "VECTORIZING", "COMPLETED", "FAILED", "CANCELLED"]
)
async def test_every_status_has_its_word_and_every_key_is_there(status: str) -> None:
    job = ingest_job(status, type=pb.RECORD_TYPE_FEEDBACK, error="boom" if status == "FAILED" else "")
    got, _ = await ask("GET", f"{INGEST}/status/?jobId=a&jobId=b", GetIngestJob=pb.GetIngestJobResponse(job=job))
    shown = got.json()
    assert list(shown) == list(json.loads(EXAMPLE))
    assert (shown["status"], shown["type"], shown["skippedDetails"]) == (status, "FEEDBACK", {})
    assert shown["error"] == ("boom" if status == "FAILED" else None)


async def test_an_ingest_job_must_be_named_and_exist() -> None:
    for query in ("", "?jobId=", "?jobid=x"):
        got, request = await ask("GET", f"{INGEST}/status{query}")
        assert (answer(got), request) == (LITERALS["no job id"], None)
    for id in ("x", "%00", "x" * 300):
        got, _ = await ask("GET", f"{INGEST}/status?jobId={id}", GetIngestJob=NO_JOB)
        assert answer(got) == LITERALS["no job"]


async def test_the_last_jobs_of_a_project_are_listed() -> None:
    found = pb.ListIngestJobsResponse(jobs=[COMPLETE, COMPLETE])
    got, request = await ask("GET", f"{INGEST}/jobs?projectId=proj%2F4%2056", ListIngestJobs=found)
    assert answer(got) == (200, f"[{EXAMPLE},{EXAMPLE}]")
    assert request == pb.ListIngestJobsRequest(project_id="proj/4 56")
    for query in ("", "?projectId="):
        got, _ = await ask("GET", f"{INGEST}/jobs{query}")
        assert answer(got) == LITERALS["no project id"]
    got, _ = await ask("GET", f"{INGEST}/jobs?projectId=x", ListIngestJobs=NO_PROJECT)
    assert answer(got) == LITERALS["no project"]


async def test_an_ingest_job_is_cancelled_while_it_is_active() -> None:
    done = pb.CancelIngestJobResponse()
    got, request = await ask("POST", f"{INGEST}/cancel", json={"jobId": "ingest-123"}, CancelIngestJob=done)
    assert answer(got) == (200, '{"success":true,"jobId":"ingest-123"}')
    assert request == pb.CancelIngestJobRequest(id="ingest-123")
    got, _ = await ask("POST", f"{INGEST}/cancel", json={"jobId": "x"}, CancelIngestJob=COMPLETED)
    assert answer(got) == LITERALS["not active"]
    for id in ("x", "\0", "\ud800", "x" * 300):
        content = json.dumps({"jobId": id}).encode()
        got, _ = await ask("POST", f"{INGEST}/cancel", content=content, CancelIngestJob=NO_JOB)
        assert answer(got) == LITERALS["no job"]
    for body in ({}, {"jobId": None}, {"jobId": ""}, {"jobId": 7}, {"jobId": ["x"]}):
        got, request = await ask("POST", f"{INGEST}/cancel", json=body)
        assert (answer(got), request) == (LITERALS["no job id"], None)
    got, _ = await ask("POST", f"{INGEST}/cancel", content=b"{")
    assert (got.status_code, got.json()) == said("Request body is not valid JSON")


# ---- the description ------------------------------------------------------------------------------------------------


async def test_every_route_is_described_with_its_errors_and_who_may_call_it() -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        document = (await gateway.get("/openapi.json")).json()
    for method, path in ENDPOINTS:
        operation = document["paths"][path.replace("/p/", "/{id}/")][method.lower()]
        assert {"401", "403", "500", "503"} <= set(operation["responses"])
        assert operation["security"] == [{"bearer": []}, {"session": []}]
    for worker in ("ingestion", "vectorization", "cleanup"):
        operation = document["paths"][f"/api/workers/{worker}"]["get"]
        assert operation["security"] == [{"cronSecret": []}]
    form = document["paths"][f"{INGEST}/csv"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert set(form["schema"]["properties"]) == {"file", "projectId", "type", "filterKeywords", "generateEmbeddings"}
