"""The door: nobody reaches a surface without a valid token or, where sessions are welcome, the id of one.

It stands before routing, so that a stranger learns nothing, not even which paths exist. The token comes in the header
`Authorization: Bearer …` or in the cookie `session`; the header wins. A browser adds the cookie to requests that another
site makes it send, so a request that changes something on the word of the cookie alone must come from our own pages.
A token that was sent must be valid, whatever else was sent: else a client would not learn that it has expired.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import grpc
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from jobline.v1.account_service_pb2 import Caller
from jobline_gateway.auth import Claims, KeysUnavailableError, TokenRejectedError, TokenVerifier
from jobline_gateway.callers import Callers
from jobline_gateway.problems import Problem, unauthorized
from jobline_gateway.service_client import CallContext, ServiceError
from jobline_gateway.sessions import session_in_body, session_named
from jobline_gateway.surface import Door, Surfaces

__all__ = ["Guard", "call_context"]

COOKIE = "session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

_DEFAULT_PORTS = {"http": 80, "https": 443}


def call_context(connection: HTTPConnection) -> CallContext:
    """On whose behalf a request that passed the guard calls the queue service."""
    state = connection.scope["state"]
    return CallContext(caller=state["caller"], correlation_id=state["correlation_id"])


class Guard:
    """ASGI middleware: finds out who makes a request to a surface that has a door, announces a user, and leaves the
    caller in the request's state."""

    def __init__(
        self, app: ASGIApp, surfaces: Surfaces, verifier: TokenVerifier, callers: Callers, public_url: str
    ) -> None:
        self._app = app
        self._surfaces = surfaces
        self._verifier = verifier
        self._callers = callers
        self._public_host = _host(urlsplit(public_url).netloc, urlsplit(public_url).scheme)

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
            if by_cookie and connection.scope["method"] not in SAFE_METHODS and self._is_foreign(connection.headers):
                raise Problem(403)
            await self._announce(claims, connection.scope["state"]["correlation_id"])
        except TokenRejectedError as rejection:
            raise unauthorized(door.rejected(str(rejection))) from rejection
        except KeysUnavailableError as error:
            raise Problem(503) from error
        return claims.caller()

    async def _announce(self, claims: Claims, correlation_id: str) -> None:
        try:
            await self._callers.announce(claims, correlation_id)
        except ServiceError as error:
            if error.status is grpc.StatusCode.INVALID_ARGUMENT:
                raise TokenRejectedError("invalid claims") from error
            raise

    def _is_foreign(self, headers: Headers) -> bool:
        if headers.get("sec-fetch-site", "").strip().lower() == "cross-site":
            return True
        origin = headers.get("origin")
        if origin is None:
            return False
        try:
            parts = urlsplit(origin.strip())
            host = _host(parts.netloc, parts.scheme)
            own = _host(headers.get("host", ""), parts.scheme)
        except ValueError:
            return True
        return not host or host not in (own, self._public_host)


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


def _host(netloc: str, scheme: str) -> str:
    """`host:port` of an address, with the scheme's port where none is given; empty when there is no host.

    Raises ValueError for a bad port.
    """
    parts = urlsplit(f"//{netloc}")
    if not parts.hostname:
        return ""
    return f"{parts.hostname.lower()}:{parts.port or _DEFAULT_PORTS.get(scheme, 0)}"
