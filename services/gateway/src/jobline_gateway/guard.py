"""The door: nobody reaches a surface without a valid token or, where sessions are welcome, the id of one.

It stands before routing, so that a stranger learns nothing, not even which paths exist. The token comes in the header
`Authorization: Bearer …` or in the cookie `session`; the header wins. A browser adds the cookie to requests that another
site makes it send, so a request that changes something on the word of the cookie alone must come from our own pages.
A token that was sent must be valid, whatever else was sent: else a client would not learn that it has expired.
"""

from __future__ import annotations

import grpc
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from jobline.v1.account_service_pb2 import Caller
from jobline_gateway.auth import Claims, KeysUnavailableError, TokenRejectedError, TokenVerifier
from jobline_gateway.callers import Callers
from jobline_gateway.origins import OwnOrigin
from jobline_gateway.problems import Problem, unauthorized
from jobline_gateway.service_client import CallContext, ServiceError
from jobline_gateway.sessions import session_in_body, session_named
from jobline_gateway.surface import Door, Surfaces

__all__ = ["COOKIE", "Guard", "call_context", "token_expiry"]

COOKIE = "session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def call_context(connection: HTTPConnection) -> CallContext:
    """On whose behalf a request that passed the guard calls the queue service."""
    state = connection.scope["state"]
    return CallContext(caller=state["caller"], correlation_id=state["correlation_id"])


def token_expiry(connection: HTTPConnection) -> float | None:
    """When the token of a request that passed the guard ends, in seconds since 1970; None: it had none."""
    expires_at: float | None = connection.scope["state"].get("expires_at")
    return expires_at


class Guard:
    """ASGI middleware: finds out who makes a request to a surface that has a door, announces a user, and leaves the
    caller in the request's state."""

    def __init__(
        self, app: ASGIApp, surfaces: Surfaces, verifier: TokenVerifier, callers: Callers, own: OwnOrigin
    ) -> None:
        self._app = app
        self._surfaces = surfaces
        self._verifier = verifier
        self._callers = callers
        self._own = own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            surface = self._surfaces.at(scope["path"])
            if surface.door is not None:
                scope["state"]["caller"] = caller = await self._bearer(HTTPConnection(scope), surface.door)
                if surface.door.by_session:
                    caller.session, receive = await _session(scope, receive, surface.body_limit)
                if not caller.sub and not caller.session:
                    raise unauthorized(surface.door.missing)
        await self._app(scope, receive, send)

    async def _bearer(self, connection: HTTPConnection, door: Door) -> Caller:
        """The user whose token was sent; nobody when none was."""
        try:
            token, by_cookie = _token(connection)
            if not token:
                return Caller()
            claims = await self._verifier.verify(token)
            if (
                by_cookie
                and connection.scope["method"] not in SAFE_METHODS
                and self._own.is_foreign(connection.headers)
            ):
                raise Problem(403)
            await self._announce(claims, connection.scope["state"]["correlation_id"])
        except TokenRejectedError as rejection:
            raise unauthorized(door.rejected(str(rejection))) from rejection
        except KeysUnavailableError as error:
            raise Problem(503) from error
        connection.scope["state"]["expires_at"] = claims.expires_at
        return claims.caller()

    async def _announce(self, claims: Claims, correlation_id: str) -> None:
        try:
            await self._callers.announce(claims, correlation_id)
        except ServiceError as error:
            if error.status is grpc.StatusCode.INVALID_ARGUMENT:
                raise TokenRejectedError("invalid claims") from error
            raise


def _token(connection: HTTPConnection) -> tuple[str, bool]:
    """The token, empty when none was sent, and whether it came in the cookie. Raises TokenRejectedError."""
    sent = connection.headers.getlist("authorization")
    if not sent:
        return connection.cookies.get(COOKIE, "").strip(), True
    if len(sent) > 1:
        raise TokenRejectedError("more than one Authorization header")
    scheme, _, token = sent[0].strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenRejectedError
    return token.strip(), False


async def _session(scope: Scope, receive: Receive, limit: int) -> tuple[str, Receive]:
    """The anonymous session, empty when none was sent, and what to receive the body with."""
    session = session_named(HTTPConnection(scope))
    if session:
        return session, receive
    try:
        return await session_in_body(scope, receive, limit)
    except Problem as problem:
        if problem.status == 413 and not scope["state"]["caller"].sub:
            # Whatever it says, it is too long to be read; so far nobody has said who is asking.
            return "", receive
        raise
