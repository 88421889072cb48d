"""The answers of the jobs API as its OpenAPI description shows them: every status, with its examples."""

from __future__ import annotations

import json
from typing import Any

from jobline_gateway import described
from jobline_gateway.described import Responses
from jobline_gateway.surfaces.content.surface import (
    BAD_TOKEN,
    BROKER_AWAY,
    INVALID_DATA,
    NO_IDENTITY,
    NO_JOB,
    NO_ORGANIZATION,
    NOT_CANCELLABLE,
    NOT_FAILED,
    SURFACE,
    invalid_data,
    missing_fields,
    url_required,
    user_required,
)

__all__ = ["CHANGING", "COMMON"]

ACCEPTED = {"jobId": "7d7c2f0a-3b5e-4f0e-9a66-0b7f7d0e1c11"}
CANCELLED = {"cancelled": True}
RUNNING: dict[str, Any] = {
    "jobId": "7d7c2f0a-3b5e-4f0e-9a66-0b7f7d0e1c11",
    "status": "running",
    "progress": 37,
    "currentStep": "Generating audiences…",
    "estimatedTimeRemaining": 20,
    "error": None,
    "errorCode": None,
    "result": None,
    "createdAt": "2026-01-20T09:00:00Z",
    "updatedAt": "2026-01-20T09:00:12Z",
}
PAGE = {
    "jobs": [
        {"jobId": RUNNING["jobId"], "type": "website_analysis"}
        | {key: value for key, value in RUNNING.items() if key not in ("jobId", "result")}
    ],
    "nextCursor": None,
}
EVENTS = f"id: {RUNNING['updatedAt']}\nevent: status\ndata: {json.dumps(RUNNING, ensure_ascii=False)}\nretry: 2000\n\n"


def error(status: int, description: str, *texts: str) -> Responses:
    """An error with one example for each of its texts."""
    return _errors(status, description, *(SURFACE.envelope(status, text) for text in texts))


def _errors(status: int, description: str, *bodies: Any) -> Responses:
    return described.error(status, description, "JobsErrorBody", *bodies)


#: What every route can answer.
COMMON: Responses = {
    **error(401, "Neither a valid token nor an anonymous session.", NO_IDENTITY, BAD_TOKEN),
    **error(413, "The body is larger than 1 MiB.", "Request body too large"),
    **error(500, "An unexpected fault.", "Internal server error"),
    **error(503, "The database or the queue service cannot be reached.", "Service unavailable"),
}
CHANGING: Responses = {
    **COMMON,
    **error(403, "Authorised by the cookie, sent from another site.", "Forbidden"),
    **error(408, "The body did not arrive in time.", "Request timeout"),
}
NO_BROKER = error(
    503,
    "The database, the queue service or the server of JOBLINE_REDIS_URL cannot be reached.",
    "Service unavailable",
    BROKER_AWAY,
)
NO_USER = _errors(
    401,
    "No valid token.",
    *(SURFACE.envelope(401, text) for text in (NO_IDENTITY, BAD_TOKEN)),
    user_required().content,
)
BAD_URL = _errors(
    400, "No web address.", url_required().content, SURFACE.envelope(400, "Request body is not valid JSON")
)
BAD_DATA = _errors(
    400,
    "Something is missing, of the wrong type or out of bounds.",
    missing_fields().content,
    invalid_data(INVALID_DATA).content,
    invalid_data("additionalInstructions must have at most 5000 characters").content,
    SURFACE.envelope(400, "Request body is not valid JSON"),
)
BAD_QUERY = error(
    400,
    "Names the first bad parameter.",
    "status must be one of queued, running, succeeded, failed, or several with commas between",
    "limit must be a positive integer",
    "cursor must be one that a list returned",
)
NO_SUCH_JOB = error(404, "No such job of the caller.", NO_JOB)
NO_SUCH_ORGANIZATION = error(404, "The organization belongs to somebody else.", NO_ORGANIZATION)
NOT_RETRIED = error(400, "The job has not failed.", NOT_FAILED)
NOT_CANCELLED = error(400, "The job has ended.", NOT_CANCELLABLE)
