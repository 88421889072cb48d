"""The e-mail surface's paths, its envelope `{"detail": …}` and its words for what the queue service refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobline_gateway.problems import FieldError, Problem
from jobline_gateway.service_client import ServiceError
from jobline_gateway.surface import Surface

__all__ = ["SURFACE", "invalid"]

EMAIL_NOT_FOUND = "Email not found or you don't have permission to access it"
ITEM_NOT_FOUND = "Queue item not found"


def invalid(errors: Sequence[FieldError]) -> Problem:
    """422 with every offending field."""
    return Problem(422, content={"detail": [error.content() for error in errors]})


def _envelope(status: int, text: str) -> Mapping[str, Any]:
    return {"detail": text}


def _not_pending(error: ServiceError) -> Problem:
    return Problem(400, f"Cannot cancel item with status '{error.metadata.get('state', 'unknown')}'")


SURFACE = Surface(
    prefixes=("/api/queue", "/api/email"),
    envelope=_envelope,
    invalid=invalid,
    refusals={
        "JOB_NOT_FOUND": lambda _: Problem(404, ITEM_NOT_FOUND),
        "EMAIL_NOT_FOUND": lambda _: Problem(404, EMAIL_NOT_FOUND),
        "ILLEGAL_TRANSITION": _not_pending,
    },
)
