"""How a stream of events is described in OpenAPI."""

from __future__ import annotations

from typing import Any

from jobline_gateway.described import Responses

__all__ = ["EVENT_ID", "stream"]

_DESCRIPTION = """Server-sent events, for as long as the token is good; a comment every 15 s.

`resync`: everything there is to see now; whatever was known before is to be forgotten. Comes first, unless `Last-Event-ID`
is known, and again whenever something may have been missed. `{changed}`: a job as a change left it; those in which only
progress differs may be left out, but the last. `removed`: the job is not there any more. `places`: where jobs that live are
in their queue and when they will have ended, in seconds from now, for those of which that has moved; at most twice a second.
"""

#: `openapi_extra` of a route that goes on where a client was.
EVENT_ID: dict[str, Any] = {
    "parameters": [
        {
            "name": name,
            "in": where,
            "required": False,
            "schema": {"type": "string"},
            "description": "The id of the last event that was seen.",
        }
        for name, where in (("Last-Event-ID", "header"), ("lastEventId", "query"))
    ]
}


def stream(changed: str, example: bytes) -> Responses:
    """200 of a stream whose changes are called `changed`."""
    content = {"text/event-stream": {"schema": {"type": "string"}, "example": example.decode()}}
    return {200: {"description": _DESCRIPTION.format(changed=changed), "content": content}}
