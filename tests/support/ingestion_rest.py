"""The database queue as its users see it, and the messages of IngestionService behind it."""

from __future__ import annotations

from typing import Any

import httpx
from google.protobuf.timestamp_pb2 import Timestamp

from jobline.v1 import account_service_pb2 as accounts
from jobline.v1 import ingestion_service_pb2 as pb
from support.gateway import bearer, gateway_client
from support.queue_peers import queue_peer

__all__ = [
    "ADMIN",
    "CSV",
    "INGEST",
    "JOB_ID",
    "LITERALS",
    "PROJECT",
    "PROJECTS",
    "RECORD",
    "SHOWN_PROJECT",
    "WORKERS",
    "answer",
    "ask",
    "at",
    "form",
    "ingest_job",
    "said",
]

PROJECTS, INGEST, ADMIN, WORKERS = "/api/projects", "/api/ingest", "/api/admin/queue", "/api/workers"
JOB_ID = "0c7e2a1b-8d0f-4a51-9d0e-4b1f6f0a2d33"

RECORD = {"task_id": "t-1", "feedback": "The answer was clear and complete."}
CSV = b"task_id,feedback\nt-1,The answer was clear and complete.\n"

#: Every error body of the specification, byte for byte.
LITERALS: dict[str, tuple[int, str]] = {
    "unauthorized": (401, '{"error":"Unauthorized"}'),
    "forbidden": (403, '{"error":"Forbidden"}'),
    "no job": (404, '{"error":"Job not found"}'),
    "no project": (404, '{"error":"Project not found"}'),
    "no path": (404, '{"error":"Not found"}'),
    "no method": (405, '{"error":"Method not allowed"}'),
    "project exists": (409, '{"error":"Project already exists"}'),
    "no job id": (400, '{"error":"Job ID is required"}'),
    "no project id": (400, '{"error":"Project ID is required"}'),
    "not failed": (400, '{"error":"Job is in COMPLETED status, can only retry FAILED jobs"}'),
    "not cancellable": (400, '{"error":"Can only cancel PENDING or PROCESSING jobs"}'),
    "not active": (400, '{"error":"Can only cancel active ingest jobs"}'),
    "file too large": (413, '{"error":"File too large. Maximum size is 4MB"}'),
    "too large": (413, '{"error":"Request body too large"}'),
    "fault": (500, '{"error":"Internal server error"}'),
    "not configured": (500, '{"error":"Configuration error"}'),
    "unavailable": (503, '{"error":"Service unavailable"}'),
}


def at(text: str) -> Timestamp:
    stamp = Timestamp()
    stamp.FromJsonString(text)
    return stamp


PROJECT = pb.Project(id="proj-456", name="Feedback", owner_id="user-1", created_at=at("2026-02-06T09:55:00.25Z"))
SHOWN_PROJECT = '{"id":"proj-456","name":"Feedback","createdAt":"2026-02-06T09:55:00.250000Z"}'


def ingest_job(status: str = "PENDING", **more: Any) -> pb.IngestJob:
    fields: dict[str, Any] = {
        "id": "ingest-123",
        "project_id": "proj-456",
        "type": pb.RECORD_TYPE_TASK,
        "created_at": at("2026-02-06T10:00:00Z"),
        "updated_at": at("2026-02-06T10:01:10Z"),
        **more,
    }
    return pb.IngestJob(status=pb.IngestStatus.Value(f"INGEST_STATUS_{status}"), **fields)


def form(content: bytes | None = CSV, name: str = "export.csv", **fields: str) -> dict[str, Any]:
    """The arguments of a multipart request with this file, to the project of the examples unless the fields say another."""
    parts: list[tuple[str, Any]] = [(key, (None, value)) for key, value in {"projectId": "proj-456", **fields}.items()]
    if content is not None:
        parts.append(("file", (name, content, "text/csv")))
    return {"files": parts}


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
