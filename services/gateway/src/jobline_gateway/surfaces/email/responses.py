"""The answers of the e-mail surface as its OpenAPI description shows them: every status, with its examples."""

from __future__ import annotations

from typing import Any

from jobline_gateway import described
from jobline_gateway.described import Responses
from jobline_gateway.live.feed import event
from jobline_gateway.surfaces.email.surface import EMAIL_NOT_FOUND, ITEM_NOT_FOUND

__all__ = ["CHANGING", "COMMON", "bad_fields", "error"]

QUEUE_ITEMS: list[dict[str, Any]] = [
    {
        "id": "550e8400-e29b-41d4-a716-446655440000",
        "recipient_name": "Dr. Jane Smith",
        "status": "pending",
        "position": 3,
        "email_id": None,
        "error_message": None,
        "current_step": None,
        "created_at": "2025-01-13T10:30:00Z",
    },
    {
        "id": "660e8400-e29b-41d4-a716-446655440001",
        "recipient_name": "Prof. John Doe",
        "status": "processing",
        "position": None,
        "email_id": None,
        "error_message": None,
        "current_step": "web_scraper",
        "created_at": "2025-01-13T10:28:00Z",
    },
]

ITEM_EVENTS = event("resync", {"items": QUEUE_ITEMS}, "7-4711") + event(
    "places",
    [{"id": QUEUE_ITEMS[0]["id"], "position": 2, "eta": {"p50": 31.0, "p90": 74.5, "reason": None}}],
)

BATCH_ACCEPTED = {
    "queue_item_ids": ["550e8400-e29b-41d4-a716-446655440000", "660e8400-e29b-41d4-a716-446655440001"],
    "message": "Successfully queued 2 items",
}

CANCELLED = {"message": "Queue item cancelled"}

EMAIL: dict[str, Any] = {
    "id": "880e8400-e29b-41d4-a716-446655440003",
    "user_id": "3f0c2a52-6f0e-4f3a-9c58-0d8f1a0b7c11",
    "recipient_name": "Dr. Alice Johnson",
    "recipient_interest": "protein folding",
    "email_message": "Dear Dr. Alice Johnson, …",
    "template_type": "research",
    "metadata": {
        "search_terms": ["Dr. Alice Johnson protein folding"],
        "sources": ["https://example.org/johnson"],
        "scraped_urls": ["https://example.org/johnson"],
        "papers_used": ["Folding at scale"],
        "arxiv_papers": [{"title": "Folding at scale", "arxiv_url": "http://arxiv.org/abs/2401.00001", "year": 2024}],
        "step_timings": {"template_parser": 1.2, "web_scraper": 3.4, "arxiv_helper": 2.1, "email_composer": 4.8},
        "generation_time": 11.5,
        "model": "embedded",
        "temperature": 0.7,
        "warnings": [],
    },
    "is_confident": True,
    "displayed": True,
    "created_at": "2025-01-13T10:25:40Z",
}


def error(status: int, description: str, *texts: str, headers: dict[str, Any] | None = None) -> Responses:
    """An error with one example for each of its texts."""
    found = described.error(status, description, "ErrorDetail", *({"detail": text} for text in texts))
    if headers:
        found[status]["headers"] = headers
    return found


def bad_fields(loc: list[str | int], msg: str, kind: str) -> Responses:
    """422, with an example of one field."""
    example = {"detail": [{"loc": loc, "msg": msg, "type": kind}]}
    content = {"application/json": {"schema": described.reference("BadFields"), "example": example}}
    return {422: {"description": "Structure or length is wrong; every offending field is listed.", "content": content}}


#: What every route can answer.
COMMON: Responses = {
    **error(
        401,
        "No valid token.",
        "Not authenticated",
        "Invalid token: expired",
        headers={"WWW-Authenticate": {"schema": {"type": "string", "enum": ["Bearer"]}}},
    ),
    **error(413, "The body is larger than 1 MiB.", "Request body too large"),
    **error(500, "An unexpected fault.", "Internal server error"),
    **error(503, "The database or the queue service cannot be reached.", "Service unavailable"),
}

CHANGING: Responses = {
    **COMMON,
    **error(403, "Authorised by the cookie, sent from another site.", "Forbidden"),
    **error(408, "The body did not arrive in time.", "Request timeout"),
}

BAD_EMAIL_ID = error(400, "The id is not a UUID.", "Invalid email ID format: 42")
NO_ITEM = error(404, "No such item of the caller.", ITEM_NOT_FOUND)
NO_EMAIL = error(404, "No such e-mail of the caller.", EMAIL_NOT_FOUND)
BAD_BATCH = error(
    400,
    "The size of the batch or its meaning is wrong.",
    "Batch must contain at least 1 item",
    "Maximum 100 items per batch",
    "items[0].recipient_name must not be blank",
    "email_template must contain at least one {{placeholder}}",
)
CANNOT_CANCEL = error(
    400,
    "The id is not a UUID, or the item is not pending.",
    "Invalid queue item ID format: 42",
    "Cannot cancel item with status 'processing'",
)
