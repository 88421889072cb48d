"""The answers of the database queue as its OpenAPI description shows them: every status, with its examples."""

from __future__ import annotations

from typing import Any

from jobline_gateway import described
from jobline_gateway.described import Responses
from jobline_gateway.live.feed import event
from jobline_gateway.surfaces.ingestion.surface import (
    FILE_TOO_LARGE as TOO_LARGE_FILE,
)
from jobline_gateway.surfaces.ingestion.surface import (
    INGESTION,
    JOB_ID_REQUIRED,
    NO_JOB,
    NOT_CONFIGURED,
    PROJECT_ID_REQUIRED,
    UNAUTHORIZED,
)
from jobline_gateway.surfaces.ingestion.surface import NO_PROJECT as UNKNOWN_PROJECT
from jobline_gateway.surfaces.ingestion.surface import PROJECT_EXISTS as EXISTS

JOB_ID = "0c7e2a1b-8d0f-4a51-9d0e-4b1f6f0a2d33"

PROJECT = {"id": "proj-456", "name": "Feedback", "createdAt": "2026-02-06T09:55:00Z"}
STARTED = {"message": "Ingestion started", "jobId": "ingest-123"}
ACTED = {"success": True, "jobId": JOB_ID}
PROCESSED = {"success": True, "processed": 3, "duration": 1280}
CLEANED_UP = {"success": True, "deletedCount": 12}
INGEST_JOB = {
    "id": "ingest-123",
    "projectId": "proj-456",
    "type": "TASK",
    "status": "COMPLETED",
    "totalRecords": 1005,
    "savedCount": 1000,
    "skippedCount": 5,
    "skippedDetails": {"Duplicate ID": 3, "Keyword Mismatch": 2},
    "error": None,
    "createdAt": "2026-02-06T10:00:00Z",
    "updatedAt": "2026-02-06T10:01:10Z",
}
FOUND = {
    "results": [
        {
            "id": "9d1f0f3e-2d0e-4d0c-8a53-6f9f0a9f1c11",
            "type": "TASK",
            "category": "TOP_10",
            "content": "The answer was clear and complete.",
            "metadata": {"task_id": "t-1", "feedback": "The answer was clear and complete.", "rating": 5},
            "source": "https://example.com/export",
            "createdAt": "2026-02-06T10:00:31Z",
            "score": 0.83,
        }
    ]
}
STATS = {
    "queueStats": {"pending": 5, "processing": 2, "completed": 1000, "failed": 3},
    "recentJobs": [
        {
            "id": JOB_ID,
            "jobType": "INGEST_DATA",
            "status": "PROCESSING",
            "priority": 1,
            "attempts": 1,
            "maxAttempts": 3,
            "progress": {"current": 500, "total": 1000, "message": "Processing records..."},
            "result": None,
            "createdAt": "2026-02-06T10:00:00Z",
            "startedAt": "2026-02-06T10:00:30Z",
            "completedAt": None,
        }
    ],
    "oldestPendingJob": {
        "id": "5f1d3c77-2a90-4a7e-8c1d-90b1c2d3e4f5",
        "createdAt": "2026-02-06T09:58:00Z",
        "ageMinutes": 3,
    },
}

QUEUE_EVENTS = event("resync", STATS, "7-4711") + event(
    "places",
    [{"id": JOB_ID, "position": None, "eta": {"p50": 31.0, "p90": 74.5, "reason": None}}],
)


def error(status: int, description: str, *texts: str) -> Responses:
    """An error with one example for each of its texts."""
    bodies = (INGESTION.envelope(status, text) for text in texts)
    return described.error(status, description, "IngestionErrorBody", *bodies)


def _query(name: str) -> dict[str, Any]:
    parameter = {"name": name, "in": "query", "required": True, "schema": {"type": "string"}}
    return {"parameters": [parameter]}


# ---- what comes in --------------------------------------------------------------------------------------------------

JOB_ID_QUERY = _query("jobId")
PROJECT_ID_QUERY = _query("projectId")
#: The query is the contract; a body is tolerated.
ACT_INPUT = {**JOB_ID_QUERY, **described.request_body("JobId", required=False)}
CSV_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "projectId"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "CSV with a header line, at most 4 MiB, in UTF-8, UTF-16 with a byte order mark "
                            "or Windows-1252, with commas, semicolons, tabs or | between the cells.",
                        },
                        "projectId": {"type": "string", "minLength": 1, "maxLength": 255},
                        "type": {"type": "string", "enum": ["TASK", "FEEDBACK"], "default": "TASK"},
                        "filterKeywords": {"type": "string", "description": "With commas between."},
                        "generateEmbeddings": {"type": "string", "enum": ["true", "false"], "default": "true"},
                    },
                }
            }
        },
    }
}

# ---- what can go wrong ----------------------------------------------------------------------------------------------

_FAULTS: Responses = {
    **error(413, "The body is larger than 1 MiB.", "Request body too large"),
    **error(500, "An unexpected fault.", "Internal server error"),
    **error(503, "The database, the queue service or the worker service cannot be reached.", "Service unavailable"),
}
_NOT_THEIRS = "The project is another user's"
_NO_ROLE = "The caller's role lacks the right"
_FOREIGN_COOKIE = "or the cookie was sent from another site."

#: What every route for users can answer.
COMMON: Responses = {
    **error(401, "No valid token.", UNAUTHORIZED),
    **error(403, f"{_NOT_THEIRS}.", "Forbidden"),
    **_FAULTS,
}
CHANGING: Responses = {
    **COMMON,
    **error(403, f"{_NOT_THEIRS}, {_FOREIGN_COOKIE}", "Forbidden"),
    **error(408, "The body did not arrive in time.", "Request timeout"),
}
COMMON_ADMIN: Responses = {**COMMON, **error(403, f"{_NO_ROLE}.", "Forbidden")}
CHANGING_ADMIN: Responses = {**CHANGING, **error(403, f"{_NO_ROLE}, {_FOREIGN_COOKIE}", "Forbidden")}
CRON: Responses = {
    **error(401, "Not the secret of the setting CRON_SECRET.", UNAUTHORIZED),
    **_FAULTS,
    **error(
        500,
        "An unexpected fault; or production without the setting CRON_SECRET.",
        "Internal server error",
        NOT_CONFIGURED,
    ),
}

BAD_PROJECT = error(400, "Names the first bad field.", "name must be given", "id must have 1 to 255 characters")
PROJECT_TAKEN = error(409, "There is a project with this id.", EXISTS)
BAD_SEARCH = error(
    400, "Names the first bad field.", "query must have 1 to 2000 characters", "limit must be an integer from 1 to 100"
)
NO_EMBEDDING = error(
    503,
    "The database, the queue service, the worker service or the embedding server cannot be reached.",
    "Service unavailable",
)
BAD_FILE = error(
    400,
    "Says what is wrong, and where.",
    PROJECT_ID_REQUIRED,
    "file must be given, as a file",
    "line 7: expected as many cells as the header has (3), found 2",
    "the file is a PNG image, not a CSV",
    "no row has a text of 10 characters or more",
)
FILE_TOO_LARGE = error(413, "The file is larger than 4 MiB.", TOO_LARGE_FILE)
BAD_RECORDS = error(
    400,
    "Says what is wrong, and where.",
    PROJECT_ID_REQUIRED,
    "records[3] must be an object or a string",
    "Request body is not valid JSON: trailing comma in array (byte 71)",
)
RECORDS_TOO_LARGE = error(413, "The body is larger than 16 MiB.", "Request body too large")
NO_PROJECT = error(404, "No such project.", UNKNOWN_PROJECT)
NO_JOB_ID = error(400, "No job is named.", JOB_ID_REQUIRED)
NO_PROJECT_ID = error(400, "No project is named.", PROJECT_ID_REQUIRED)
NO_SUCH_JOB = error(404, "No such job.", NO_JOB)
NOT_CANCELLED = error(400, "No job is named, or it has ended.", JOB_ID_REQUIRED, "Can only cancel active ingest jobs")
NOT_RETRIED = error(
    400,
    "No job is named, or it has not failed.",
    JOB_ID_REQUIRED,
    "Job is in COMPLETED status, can only retry FAILED jobs",
)
CANNOT_CANCEL = error(
    400, "No job is named, or it has ended.", JOB_ID_REQUIRED, "Can only cancel PENDING or PROCESSING jobs"
)
