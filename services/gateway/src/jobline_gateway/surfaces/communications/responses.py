"""The answers of the communication surface as its OpenAPI description shows them: every status, with its examples."""

from __future__ import annotations

from typing import Any

from jobline_gateway import described
from jobline_gateway.described import Responses
from jobline_gateway.live.feed import event
from jobline_gateway.surfaces.communications.surface import SURFACE

__all__ = ["CHANGING", "COMMON", "error"]

PAYLOAD = '{"channel":"email","recipientContact":"user@example.com","subject":"Hello","body":"…"}'

PENDING: dict[str, Any] = {
    "id": "job-uuid-1",
    "communicationId": "comm-uuid-1",
    "status": "pending",
    "priority": "high",
    "scheduledAt": "2025-10-26T11:00:00Z",
    "attempts": 0,
    "maxAttempts": 3,
    "payload": PAYLOAD,
    "createdAt": "2025-10-26T10:55:00Z",
    "updatedAt": "2025-10-26T10:55:00Z",
}
COMPLETED = {
    "id": "job-uuid-1",
    "communicationId": "comm-uuid-1",
    "status": "completed",
    "priority": "high",
    "scheduledAt": "2025-10-26T10:00:00Z",
    "startedAt": "2025-10-26T10:00:15Z",
    "completedAt": "2025-10-26T10:00:18Z",
    "attempts": 1,
    "maxAttempts": 3,
    "payload": PAYLOAD,
    "createdAt": "2025-10-26T09:55:00Z",
    "updatedAt": "2025-10-26T10:00:18Z",
}
FAILED = {
    "id": "job-uuid-3",
    "communicationId": "comm-uuid-3",
    "status": "failed",
    "priority": "normal",
    "scheduledAt": "2025-10-26T09:06:05Z",
    "startedAt": "2025-10-26T09:06:20Z",
    "attempts": 3,
    "maxAttempts": 3,
    "lastError": "SendGrid API error: Invalid email address",
    "payload": PAYLOAD,
    "createdAt": "2025-10-26T08:55:00Z",
    "updatedAt": "2025-10-26T09:06:21Z",
}
STATS = {
    "total": 150,
    "pending": 45,
    "processing": 5,
    "completed": 90,
    "failed": 10,
    "cancelled": 0,
    "oldestPending": "2025-10-26T10:30:00Z",
    "avgProcessingTimeSeconds": 2.5,
}
JOB_EVENTS = event("resync", {"jobs": [PENDING], "stats": STATS}, "7-4711") + event(
    "places",
    [{"id": PENDING["id"], "position": 2, "eta": {"p50": None, "p90": None, "reason": "QUEUE_PAUSED"}}],
)
HEALTH = {
    "healthy": False,
    "alert": True,
    "reasons": [
        "The oldest pending message was due 420 s ago, more than 5 minutes.",
        "6.7 % of all messages have failed, more than 5 %.",
        "10 messages have failed, not fewer than 10.",
    ],
    "stats": STATS,
}
ACCEPTED = {"communicationId": "comm-uuid-1", "job": PENDING}
RETRIED = {"success": True, "message": "Job successfully queued for retry", "job": {**PENDING, "id": "job-uuid-3"}}
CANCELLED = {
    "success": True,
    "message": "Job cancelled successfully",
    "job": {**PENDING, "id": "job-uuid-4", "status": "cancelled"},
}
RETRIED_FAILED = {"success": True, "dryRun": True, "count": 7, "sample": [FAILED]}
PROCESSED = {"success": True, "message": "Queue processing completed"}
OUTBOX_ENTRY = {
    "id": "5a1d2f0e-8c7b-4d8e-9a51-0b9f2c1d7e33",
    "jobId": "job-uuid-1",
    "communicationId": "comm-uuid-1",
    "channel": "email",
    "recipientContact": "user@example.com",
    "subject": "Hello",
    "body": "…",
    "attempt": 1,
    "sentAt": "2025-10-26T10:00:18Z",
}


def error(status: int, description: str, *texts: str) -> Responses:
    """An error with one example for each of its texts."""
    return described.error(status, description, "ErrorBody", *(SURFACE.envelope(status, text) for text in texts))


_NO_RIGHT = "The caller's role lacks the right"

#: What every route can answer.
COMMON: Responses = {
    **error(401, "No valid token.", "Unauthorized"),
    **error(403, f"{_NO_RIGHT} in this business.", "Forbidden resource"),
    **error(404, "No such business.", "Business shop-1 not found"),
    **error(413, "The body is larger than 1 MiB.", "Request body too large"),
    **error(500, "An unexpected fault.", "Internal server error"),
    **error(503, "The database, the queue service or the worker service cannot be reached.", "Service unavailable"),
}

CHANGING: Responses = {
    **COMMON,
    **error(403, f"{_NO_RIGHT}, or the cookie was sent from another site.", "Forbidden resource"),
    **error(408, "The body did not arrive in time.", "Request timeout"),
}

NO_JOB = error(
    404,
    "No such business, or no such job in it.",
    "Business shop-1 not found",
    "Job 7c3e6b1a-5d0f-4a57-9a51-0b9f2c1d7e33 not found",
)
BAD_MESSAGE = error(
    400,
    "Names the first bad field.",
    "channel must be one of email, sms, whatsapp, messenger",
    "recipientContact must have text on both sides of one @",
    "body must be given where there is no templateId",
    "Request body is not valid JSON",
)
BAD_QUERY = error(
    400,
    "Names the first bad parameter.",
    "status must be one of pending, processing, completed, failed, cancelled, or several with commas between",
    "limit must be a positive integer",
    "cursor must be one that a list returned",
)
BAD_CONDITIONS = error(
    400,
    "Names the first bad field.",
    "expectedCount must be an integer of at least 0",
    "Request body is not valid JSON",
)
COUNT_CHANGED = error(409, "Nothing was retried.", "expectedCount is 5, but 7 jobs match")
