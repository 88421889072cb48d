"""What the database queue answers to users and admins, and what it asks the services for."""

from __future__ import annotations

import json
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.message import Message

from jobline.v1 import account_service_pb2 as accounts
from jobline.v1 import ingestion_service_pb2 as pb
from jobline.v1 import job_pb2
from jobline.v1.embedding_pb2 import Vector
from jobline.v1.worker_control_service_pb2 import EmbedRequest, EmbedResponse
from support.gateway import bearer, gateway_client, user_token
from support.ingestion_rest import ADMIN, INGEST, JOB_ID, LITERALS, PROJECTS, RECORD, at, ingest_job
from support.queue_peers import Answer, queue_peer, refuse

MEBIBYTE = 1024 * 1024
FORBIDDEN = refuse(grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN")
AWAY = refuse(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
NO_JOB = refuse(grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")
NO_PROJECT = refuse(grpc.StatusCode.NOT_FOUND, "PROJECT_NOT_FOUND")
NO_ID = refuse(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", fields={"id": "expected a UUID"})
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


def answer(got: httpx.Response) -> tuple[int, str]:
    return got.status_code, got.text


def said(text: str, status: int = 400) -> tuple[int, dict[str, Any]]:
    return status, {"error": text}


async def ask(method: str, path: str, *, role: str = "user", **answers: Any) -> tuple[httpx.Response, Any]:
    """The answer, and the last request to the queue service; `json` and `content` are the body's."""
    body = {name: answers.pop(name) for name in ("json", "content") if name in answers}
    async with queue_peer(**answers) as peer, gateway_client(peer.address) as gateway:
        headers = bearer(email="ada@example.com", app_metadata={"role": role})
        got = await gateway.request(method, path, headers=headers, **body)
        calls = [call for call in peer.received if call.method != "EnsureCaller"]
        if calls:
            caller = accounts.Caller.FromString(calls[-1].metadata["jobline-caller-bin"])
            assert (caller.sub, caller.email, caller.role) == ("user-1", "ada@example.com", role)
        return got, calls[-1].request if calls else None


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

PROJECT = pb.Project(id="proj-456", name="Feedback", owner_id="user-1", created_at=at("2026-02-06T09:55:00.25Z"))
SHOWN = '{"id":"proj-456","name":"Feedback","createdAt":"2026-02-06T09:55:00.250000Z"}'


async def test_a_project_is_made_with_the_id_that_was_asked_for_or_one_of_its_own() -> None:
    made = pb.CreateProjectResponse(project=PROJECT)
    for id, sent in (("proj/4 56%\n", "proj/4 56%\n"), (None, ""), ("x" * 255, "x" * 255)):
        got, request = await ask("POST", PROJECTS, json={"name": " ü" * 127, "id": id, "x": 1}, CreateProject=made)
        assert answer(got) == (201, SHOWN)
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
        assert answer(got) == (200, f'[{SHOWN},{{"id":"b","name":"B","createdAt":"2026-02-05T00:00:00Z"}}]')


# ---- search ---------------------------------------------------------------------------------------------------------

VECTOR = Vector(values=[0.25, -1.0, 0.5])
MINE = pb.GetProjectResponse(project=PROJECT)


async def search(
    path: str = f"{PROJECTS}/proj-456/search", embedded: Answer | Message | None = None, *, json: Any, **answers: Any
) -> tuple[httpx.Response, list[Any], list[Any]]:
    """The answer, and the requests to the queue service and to the worker service."""
    given = {"GetProject": MINE, "SearchRecords": pb.SearchRecordsResponse(), **answers}
    async with (
        queue_peer(**given) as queue,
        queue_peer(Embed=embedded or EmbedResponse(vectors=[VECTOR])) as worker,
        gateway_client(queue.address, worker_addresses=(worker.address,)) as gateway,
    ):
        got = await gateway.post(path, headers=bearer(), json=json)
        assert not any("jobline-caller-bin" in call.metadata for call in worker.received)
        asked = [call.request for call in queue.received if call.method != "EnsureCaller"]
        return got, asked, [call.request for call in worker.received]


async def test_a_search_asks_for_the_right_then_the_vector_then_the_records() -> None:
    records = [
        pb.FoundRecord(
            id="r-1",
            type=pb.RECORD_TYPE_TASK,
            category="TOP_10",
            source="https://example.com/export",
            content="clear",
            metadata_json='{"id": 12345678901234567890, "price": 1.5, "n": null}',
            created_at=at("2026-02-06T10:00:31Z"),
            score=0.875,
        ),
        pb.FoundRecord(
            id="r-2",
            type=pb.RECORD_TYPE_FEEDBACK,
            content="ü",
            metadata_json='"ü"',
            created_at=at("2026-02-06T10:00:31Z"),
        ),
    ]
    wanted = {"query": "clear ü answers", "limit": 100, "type": "FEEDBACK", "category": "BOTTOM_10", "more": 1}
    found = pb.SearchRecordsResponse(records=records)
    got, asked, embedded = await search(json=wanted, SearchRecords=found)
    assert answer(got) == (
        200,
        '{"results":[{"id":"r-1","type":"TASK","category":"TOP_10","content":"clear",'
        '"metadata":{"id":12345678901234567890,"price":1.5,"n":null},"source":"https://example.com/export",'
        '"createdAt":"2026-02-06T10:00:31Z","score":0.875},'
        '{"id":"r-2","type":"FEEDBACK","category":null,"content":"ü","metadata":"ü","source":null,'
        '"createdAt":"2026-02-06T10:00:31Z","score":0.0}]}',
    )
    assert embedded == [EmbedRequest(texts=["clear ü answers"])]
    assert asked == [
        pb.GetProjectRequest(id="proj-456"),
        pb.SearchRecordsRequest(
            project_id="proj-456", vector=VECTOR, limit=100, type=pb.RECORD_TYPE_FEEDBACK, category="BOTTOM_10"
        ),
    ]


async def test_what_a_search_leaves_out_is_not_narrowed() -> None:
    for more in ({}, {"limit": None, "type": None, "category": None}):
        got, asked, _ = await search(json={"query": "x" * 2000, **more})
        assert answer(got) == (200, '{"results":[]}')
        assert asked[1] == pb.SearchRecordsRequest(project_id="proj-456", vector=VECTOR)


@pytest.mark.parametrize(
    ("escaped", "id"),
    [
        ("a%2Fb", "a/b"),
        ("a/b", "a/b"),
        ("a%2Fsearch", "a/search"),
        ("%2F", "/"),
        ("a%2F", "a/"),
        ("100%25", "100%"),
        ("%2525", "%25"),
        ("%22a%22%20'b'", "\"a\" 'b'"),
        ("a%0Ab", "a\nb"),
        ("%F0%9F%98%80", "😀"),
        ("a;b=c", "a;b=c"),
        ("a+b", "a+b"),
        ("a%3Fb%23c", "a?b#c"),
    ],
)
async def test_an_id_in_a_path_may_hold_every_character(escaped: str, id: str) -> None:
    for end in ("", "/"):
        got, asked, _ = await search(f"{PROJECTS}/{escaped}/search{end}", json={"query": "x"})
        assert (got.status_code, [request.id for request in asked[:1]]) == (200, [id])


@pytest.mark.parametrize("escaped", ["", "a%00b", "x" * 256])
async def test_what_no_id_can_be_is_an_unknown_project_once_the_input_is_good(escaped: str) -> None:
    path = f"{PROJECTS}/{escaped}/search"
    got, asked, embedded = await search(path, json={"query": "x"})
    assert (answer(got), asked, embedded) == (LITERALS["no project"], [], [])
    got, _, _ = await search(path, json={})
    assert (got.status_code, got.json()) == said("query must be given")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "query must be given"),
        ({"query": ""}, "query must have 1 to 2000 characters"),
        ({"query": "x" * 2001}, "query must have 1 to 2000 characters"),
        ({"query": " \n"}, "query must not be blank"),
        ({"query": ["x"]}, "query must be a string"),
        ({"query": "x", "limit": 0}, "limit must be an integer from 1 to 100"),
        ({"query": "x", "limit": 101}, "limit must be an integer from 1 to 100"),
        ({"query": "x", "limit": "5"}, "limit must be an integer from 1 to 100"),
        ({"query": "x", "limit": 5.0}, "limit must be an integer from 1 to 100"),
        ({"query": "x", "type": "TOP_10"}, "type must be one of TASK, FEEDBACK"),
        ({"query": "x", "category": ""}, "category must be one of TOP_10, BOTTOM_10"),
        ([], "Request body must be a JSON object"),
    ],
)
async def test_a_bad_search_is_refused_unless_the_project_is_another_users(body: Any, text: str) -> None:
    for project, refusal in ((MINE, said(text)), (NO_PROJECT, said(text)), (FORBIDDEN, said("Forbidden", 403))):
        got, _, embedded = await search(json=body, GetProject=project)
        assert ((got.status_code, got.json()), embedded) == (refusal, [])


async def test_no_provider_is_troubled_for_a_project_that_cannot_be_searched() -> None:
    for project, literal in ((NO_PROJECT, "no project"), (FORBIDDEN, "forbidden"), (AWAY, "unavailable")):
        got, _, embedded = await search(json={"query": "x"}, GetProject=project)
        assert (answer(got), embedded) == (LITERALS[literal], [])


@pytest.mark.parametrize(
    ("embedded", "literal"),
    [
        (refuse(grpc.StatusCode.UNAVAILABLE, "PROVIDER_UNAVAILABLE"), "unavailable"),
        (refuse(grpc.StatusCode.UNAVAILABLE, "NOT_ACTIVE"), "unavailable"),
        (refuse(grpc.StatusCode.DEADLINE_EXCEEDED), "unavailable"),
        # The worker service does not know the gateway's own token: nothing that the user could mend.
        (FORBIDDEN, "fault"),
    ],
)
async def test_without_a_vector_there_is_no_search(embedded: Answer, literal: str) -> None:
    got, asked, _ = await search(embedded=embedded, json={"query": "x"})
    assert (answer(got), len(asked)) == (LITERALS[literal], 1)


async def test_a_vector_that_the_queue_service_cannot_use_is_no_fault_of_the_user() -> None:
    no = refuse(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", fields={"vector": "expected 1536 numbers, got 3"})
    got, _, _ = await search(json={"query": "x"}, SearchRecords=no)
    assert answer(got) == LITERALS["unavailable"]


async def test_without_a_worker_service_the_answer_is_503() -> None:
    async with queue_peer(GetProject=MINE) as queue, gateway_client(queue.address) as gateway:
        got = await gateway.post(f"{PROJECTS}/p/search", headers=bearer(), json={"query": "x"})
        assert answer(got) == LITERALS["unavailable"]


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


# ---- admin ----------------------------------------------------------------------------------------------------------


def queue_job(status: str, **more: Any) -> pb.QueueJob:
    fields: dict[str, Any] = {
        "id": JOB_ID,
        "job_type": "INGEST_DATA",
        "priority": 1,
        "attempts": 1,
        "max_attempts": 3,
        "created_at": at("2026-02-06T10:00:00Z"),
        **more,
    }
    return pb.QueueJob(status=pb.QueueJobStatus.Value(f"QUEUE_JOB_STATUS_{status}"), **fields)


async def test_the_numbers_are_shown_as_in_the_example() -> None:
    found = pb.GetIngestionStatsResponse(
        pending=5,
        processing=2,
        completed=1000,
        failed=3,
        recent_jobs=[
            queue_job(
                "PROCESSING",
                progress=job_pb2.Progress(step="ingest", current=500, total=1000, message="Processing records..."),
                started_at=at("2026-02-06T10:00:30Z"),
            )
        ],
        oldest_pending=queue_job(
            "PENDING", id="5f1d3c77-2a90-4a7e-8c1d-90b1c2d3e4f5", created_at=at("2026-02-06T09:58:00Z")
        ),
        now=at("2026-02-06T10:01:59.999Z"),
    )
    got, request = await ask("GET", f"{ADMIN}/stats", role="manager", GetIngestionStats=found)
    assert answer(got) == (
        200,
        '{"queueStats":{"pending":5,"processing":2,"completed":1000,"failed":3},'
        '"recentJobs":[{"id":"0c7e2a1b-8d0f-4a51-9d0e-4b1f6f0a2d33","jobType":"INGEST_DATA","status":"PROCESSING",'
        '"priority":1,"attempts":1,"maxAttempts":3,'
        '"progress":{"current":500,"total":1000,"message":"Processing records..."},"result":null,'
        '"createdAt":"2026-02-06T10:00:00Z","startedAt":"2026-02-06T10:00:30Z","completedAt":null}],'
        '"oldestPendingJob":{"id":"5f1d3c77-2a90-4a7e-8c1d-90b1c2d3e4f5","createdAt":"2026-02-06T09:58:00Z","ageMinutes":3}}',
    )
    assert request == pb.GetIngestionStatsRequest(recent=20)


async def test_what_is_not_known_of_a_job_is_null() -> None:
    done = queue_job(
        "FAILED",
        job_type="VECTORIZE",
        result_json='{"error":"worker lost","timestamp":"2026-02-06T10:05:00Z"}',
        completed_at=at("2026-02-06T10:05:00Z"),
        progress=job_pb2.Progress(current=25, total=250),
    )
    found = pb.GetIngestionStatsResponse(recent_jobs=[done, queue_job("PENDING")], now=at("2026-02-06T10:00:00Z"))
    got, _ = await ask("GET", f"{ADMIN}/stats", GetIngestionStats=found)
    first, second = got.json()["recentJobs"]
    assert first["progress"] == {"current": 25, "total": 250, "message": ""}
    assert (first["jobType"], first["result"]["error"], first["completedAt"]) == (
        "VECTORIZE",
        "worker lost",
        "2026-02-06T10:05:00Z",
    )
    assert [second[key] for key in ("progress", "result", "startedAt", "completedAt")] == [None] * 4
    assert got.json()["oldestPendingJob"] is None


async def test_a_job_that_seems_to_come_from_the_future_is_no_minute_old() -> None:
    found = pb.GetIngestionStatsResponse(oldest_pending=queue_job("PENDING"), now=at("2026-02-06T09:59:59Z"))
    got, _ = await ask("GET", f"{ADMIN}/stats", GetIngestionStats=found)
    assert got.json()["oldestPendingJob"]["ageMinutes"] == 0


ACTS = [
    ("retry", "RetryIngestionJob", pb.RetryIngestionJobResponse(), "not failed"),
    ("cancel", "CancelIngestionJob", pb.CancelIngestionJobResponse(), "not cancellable"),
]


@pytest.mark.parametrize(("act", "call", "done", "wrong_status"), ACTS, ids=["retry", "cancel"])
async def test_an_act_names_its_job_in_the_query_or_else_in_the_body(
    act: str, call: str, done: Message, wrong_status: str
) -> None:
    other: dict[str, Any] = {"json": {"jobId": "other"}}
    for query, body in (
        (f"?jobId={JOB_ID}", {}),
        (f"?jobId={JOB_ID.upper()}", {"content": b"not json"}),
        (f"?jobId={JOB_ID}", other),
        ("", {"json": {"jobId": JOB_ID}}),
        ("?jobId=", {"json": {"jobId": JOB_ID}}),
    ):
        got, request = await ask("POST", f"{ADMIN}/{act}{query}", role="admin", **body, **{call: done})
        assert answer(got) == (200, f'{{"success":true,"jobId":"{JOB_ID}"}}')
        assert request.id == JOB_ID


@pytest.mark.parametrize(("act", "call", "done", "wrong_status"), ACTS, ids=["retry", "cancel"])
async def test_an_act_is_refused_in_the_words_of_the_specification(
    act: str, call: str, done: Message, wrong_status: str
) -> None:
    path = f"{ADMIN}/{act}?jobId={JOB_ID}"
    for refusal, literal in ((COMPLETED, wrong_status), (NO_JOB, "no job"), (FORBIDDEN, "forbidden")):
        got, _ = await ask("POST", path, **{call: refusal})
        assert answer(got) == LITERALS[literal]


@pytest.mark.parametrize(("act", "call", "done", "wrong_status"), ACTS, ids=["retry", "cancel"])
async def test_whether_a_job_is_named_matters_only_to_who_has_the_right(
    act: str, call: str, done: Message, wrong_status: str
) -> None:
    for body in ({}, {"content": b"{"}, {"json": {"jobId": ""}}, {"json": {"jobId": 7}}, {"json": []}):
        for refusal, literal in ((NO_ID, "no job id"), (FORBIDDEN, "forbidden")):
            got, request = await ask("POST", f"{ADMIN}/{act}?jobId=", **body, **{call: refusal})
            assert (answer(got), request.id) == (LITERALS[literal], "")


@pytest.mark.parametrize("id", ["%00", "x" * 300, "%ED%A0%80", "not-an-id"])
async def test_what_no_id_can_be_is_an_unknown_job(id: str) -> None:
    for act, call, _, _ in ACTS:
        got, request = await ask("POST", f"{ADMIN}/{act}?jobId={id}", **{call: NO_JOB})
        assert answer(got) == LITERALS["no job"]
        assert request.id


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
