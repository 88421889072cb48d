"""Anonymous sessions: the id that a client without a token is known by, where a surface has such clients.

It comes in the header `x-session-id`, else in the query or the JSON body as `sessionId`; the first of them that holds an
id counts. An `EventSource` can only use the query, a form only the body.
"""

from __future__ import annotations

from starlette.requests import HTTPConnection, Request
from starlette.types import Message, Receive, Scope

from jobline_gateway.auth import MAX_ID_CHARACTERS, is_text
from jobline_gateway.body import BodyError, bounded, parse_json_object

__all__ = ["BODY_OR_QUERY", "HEADER", "session_in_body", "session_named"]

HEADER = "x-session-id"
BODY_OR_QUERY = "sessionId"


def session_named(connection: HTTPConnection) -> str:
    """The id in the head of a request, empty when there is none."""
    sent = (_text(connection.headers.get(HEADER, "")), connection.query_params.get(BODY_OR_QUERY))
    return next((value for value in sent if value and is_text(value, MAX_ID_CHARACTERS)), "")


async def session_in_body(scope: Scope, receive: Receive, limit: int) -> tuple[str, Receive]:
    """The id in the body, empty when there is none, and a `receive` that has the body still to give.

    Raises Problem when the body is longer than `limit` bytes or dawdles, ClientDisconnect when it breaks off.
    """
    body = await Request(scope, bounded(scope, receive, limit)).body()
    try:
        value = parse_json_object(body).get(BODY_OR_QUERY)
    except BodyError:
        value = None
    return value if value and is_text(value, MAX_ID_CHARACTERS) else "", _replay(body, receive)


def _replay(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return pending.pop() if pending else await receive()

    return receive_again


def _text(value: str) -> str:
    """A header as its sender meant it: most send UTF-8, a browser Latin-1, as which the server has read it."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return value
