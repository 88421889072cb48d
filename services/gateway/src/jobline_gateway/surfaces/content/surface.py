"""The paths of the jobs API, its envelope `{"success", "error", "message"}` and its words for what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobline_gateway.problems import FieldError, Problem, text_of, unauthorized
from jobline_gateway.surface import Door, Surface

__all__ = ["BASE", "SURFACE", "invalid_data", "missing_fields", "url_required", "user_required"]

BASE = "/api/v1/jobs"

NO_IDENTITY = "Authentication or session ID (x-session-id) is required"
BAD_TOKEN = "Invalid or expired token"
NO_JOB = "Job not found or access denied"
NO_ORGANIZATION = "Organization not found or access denied"
BROKER_AWAY = "Job queue is unavailable. Check JOBLINE_REDIS_URL and that the server is reachable"
NOT_FAILED = "Job is not in failed state"
NOT_CANCELLABLE = "Job is not cancellable"
INVALID_DATA = "topic.title, businessInfo.businessType and businessInfo.targetAudience are required"

#: What stands in `error` beside the longer `message`; the other statuses say the common text in both.
_TITLES: Mapping[int, str] = {401: "Unauthorized"}
#: The contract's field whose own words would mean nothing to a user of this surface.
_BAD_CURSOR = "cursor must be one that a list returned"
_CONTENT_INPUT = "input_json"


def url_required() -> Problem:
    return Problem(400, content=_body("url is required", "Provide a valid website URL"))


def missing_fields() -> Problem:
    return Problem(
        400, content=_body("Missing required fields", "topic, businessInfo, and organizationId are required")
    )


def invalid_data(message: str) -> Problem:
    """400 about what was to be generated."""
    return Problem(400, content=_body("Invalid data structure", message))


def user_required() -> Problem:
    body = _body("Authentication required", "Content generation requires an authenticated user")
    return unauthorized(body["message"], body)


def _body(error: str, message: str) -> Mapping[str, Any]:
    return {"success": False, "error": error, "message": message}


def _envelope(status: int, text: str) -> Mapping[str, Any]:
    return _body(_TITLES.get(status) or text_of(status), text)


def _invalid(errors: Sequence[FieldError]) -> Problem:
    """400 about the first field that only the queue service refuses."""
    first = errors[0]
    match [part for part in first.loc[1:] if isinstance(part, str)]:
        case ["url", *_]:
            return url_required()
        case ["page_token", *_]:
            return Problem(400, _BAD_CURSOR)
        case [name, *inner] if name == _CONTENT_INPUT:
            return invalid_data(f"{'.'.join(inner) or 'Request body'}: {first.msg}")
        case path:
            return Problem(400, f"{'.'.join(path)}: {first.msg}")


SURFACE = Surface(
    prefixes=(BASE,),
    envelope=_envelope,
    invalid=_invalid,
    refusals={
        "JOB_NOT_FOUND": lambda _: Problem(404, NO_JOB),
        "ORGANIZATION_NOT_FOUND": lambda _: Problem(404, NO_ORGANIZATION),
        "BROKER_UNAVAILABLE": lambda _: Problem(503, BROKER_AWAY),
    },
    door=Door(by_session=True, missing=NO_IDENTITY, rejected=lambda _: BAD_TOKEN),
)
