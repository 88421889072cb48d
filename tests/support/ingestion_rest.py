"""The database queue as its users see it, and the messages of IngestionService behind it."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from jobline.v1 import ingestion_service_pb2 as pb

__all__ = ["ADMIN", "CSV", "INGEST", "JOB_ID", "LITERALS", "PROJECTS", "RECORD", "WORKERS", "at", "form", "ingest_job"]

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
