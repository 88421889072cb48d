"""The communication surface's paths, its envelope `{"statusCode", "message", "error"}` and its words for bad fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from jobline_gateway.problems import FieldError, Problem
from jobline_gateway.surface import Surface
from jobline_gateway.surfaces.communications.paths import ROOT

__all__ = ["SURFACE"]

#: The contract's fields under the names that this surface gives them; the others are called the same.
_NAMES: Mapping[str, str] = {
    "recipient_contact": "recipientContact",
    "template_id": "templateId",
    "template_variables_json": "templateVariables",
    "scheduled_at": "scheduledAt",
    "max_attempts": "maxAttempts",
    "communication_id": "communicationId",
    "statuses": "status",
    "query": "q",
    "page_size": "limit",
    "expected_count": "expectedCount",
}
#: The contract's own words for it would mean nothing to a user of this surface.
_BAD_CURSOR = "cursor must be one that a list returned"


def _envelope(status: int, text: str) -> Mapping[str, Any]:
    if status == HTTPStatus.UNAUTHORIZED:
        # What is wrong with a token is nobody's business here.
        return {"statusCode": status, "message": "Unauthorized"}
    message = "Forbidden resource" if status == HTTPStatus.FORBIDDEN else text
    return {"statusCode": status, "message": message, "error": _phrase(status)}


def _phrase(status: int) -> str:
    # RFC 9110's; Python's own differs from version to version.
    return "Content Too Large" if status == 413 else HTTPStatus(status).phrase


def _invalid(errors: Sequence[FieldError]) -> Problem:
    """400 about the first bad field."""
    first = errors[0]
    name = next((part for part in reversed(first.loc) if isinstance(part, str)), "body")
    return Problem(400, _BAD_CURSOR if name == "page_token" else f"{_NAMES.get(name, name)} {first.msg}")


SURFACE = Surface(prefixes=(ROOT,), envelope=_envelope, invalid=_invalid)
