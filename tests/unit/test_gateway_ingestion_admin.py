"""What admins are told of the jobs of the database queue, and what becomes of their acts."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from jobline.v1 import ingestion_service_pb2 as pb
from jobline.v1 import job_pb2
from support.ingestion_rest import (
    ADMIN,
    JOB_ID,
    LITERALS,
    answer,
    ask,
    at,
)
from support.queue_peers import refuse

FORBIDDEN = refuse(grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN")
NO_JOB = refuse(grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")
NO_ID = refuse(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", fields={"id": "expected a UUID"})
COMPLETED = refuse(grpc.StatusCode.FAILED_PRECONDITION, "ILLEGAL_TRANSITION", state="COMPLETED")


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
