"""Everything that can go wrong with a request, as one kind of exception and one table.

Code raises a Problem, or lets a ServiceError pass; the error boundary (middleware.py) turns either into an answer in the
envelope of the surface that was asked. So no route builds an error body, and a fault that nobody foresaw is a 500 in
the right envelope with nothing of its text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from jobline_gateway.service_client import ServiceError
    from jobline_gateway.surface import Surface

__all__ = ["TEXTS", "FieldError", "Problem", "from_service", "text_of", "unauthorized"]

#: The texts that every surface uses unless its specification states another.
TEXTS: Mapping[int, str] = {
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    408: "Request timeout",
    413: "Request body too large",
    500: "Internal server error",
    503: "Service unavailable",
}

#: What a refusal of a service means where the surface has no words of its own. A reason goes before a status.
#: PERMISSION_DENIED and UNAUTHENTICATED are absent: they tell that the gateway's own service token is wrong, which is
#: a fault of ours.
_STATUS_BY_REASON: Mapping[str, int] = {
    "TOO_LARGE": 413,
    "JOB_NOT_FOUND": 404,
    "QUEUE_NOT_FOUND": 404,
    "WORKER_NOT_FOUND": 404,
    "EMAIL_NOT_FOUND": 404,
    "BUSINESS_NOT_FOUND": 404,
    "ORGANIZATION_NOT_FOUND": 404,
    "MEDIA_NOT_FOUND": 404,
    "USER_NOT_FOUND": 404,
    "PROJECT_NOT_FOUND": 404,
    "PROJECT_EXISTS": 409,
    "ILLEGAL_TRANSITION": 409,
    "IDEMPOTENCY_CONFLICT": 409,
    "COUNT_CHANGED": 409,
}
_STATUS_BY_STATUS: Mapping[grpc.StatusCode, int] = {
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 503,
}

_PATH_PART = re.compile(r"[^.\[\]]+")


@dataclass(frozen=True)
class FieldError:
    """One bad field: where it is, a sentence, a machine word. The words are those of pydantic."""

    loc: tuple[str | int, ...]
    msg: str
    type: str

    def content(self) -> dict[str, Any]:
        return {"loc": list(self.loc), "msg": self.msg, "type": self.type}


@dataclass(eq=False)
class Problem(Exception):
    """An error answer: its status, the text for the surface's envelope, extra headers. `content` replaces the
    envelope where a body has more to say than a text."""

    status: int
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.status} {self.text or text_of(self.status)}"


def unauthorized(text: str, content: Mapping[str, Any] | None = None) -> Problem:
    """401 with the challenge that RFC 9110, section 15.5.2, wants."""
    return Problem(401, text, headers={"WWW-Authenticate": "Bearer"}, content=content)


def text_of(status: int) -> str:
    """The common text for a status."""
    return TEXTS.get(status, TEXTS[500] if status >= 500 else "Bad request")


def from_service(error: ServiceError, surface: Surface) -> Problem:
    """What `surface` answers when a service refused a call."""
    if error.reason in surface.refusals:
        return surface.refusals[error.reason](error)
    if error.reason == "INVALID_FIELD" and error.fields:
        return surface.invalid([_field_error(path, text) for path, text in error.fields])
    status = _STATUS_BY_REASON.get(error.reason) or _STATUS_BY_STATUS.get(error.status, 500)
    return Problem(status)


def _field_error(path: str, description: str) -> FieldError:
    """`items[0].recipient_name` as a location in the body."""
    parts = (int(part) if part.isascii() and part.isdigit() else part for part in _PATH_PART.findall(path))
    return FieldError(("body", *parts), description, "value_error")
