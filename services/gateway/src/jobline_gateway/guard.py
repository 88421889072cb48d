"""The door: nobody reaches a surface without a valid token.

It stands before routing, so that a caller without a token learns nothing, not even which paths exist. The token comes
in the header `Authorization: Bearer …` or in the cookie `session`; the header wins. A browser adds the cookie to
requests that another site makes it send, so a request that changes something on the word of the cookie alone must
come from our own pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import grpc
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from jobline_gateway.auth import Claims, KeysUnavailableError, TokenRejectedError, TokenVerifier
from jobline_gateway.callers import Callers
from jobline_gateway.problems import Problem
from jobline_gateway.service_client import CallContext, ServiceError
from jobline_gateway.surface import Surfaces

__all__ = ["Guard", "call_context"]

COOKIE = "session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

_CHALLENGE: Mapping[str, str] = {"WWW-Authenticate": "Bearer"}
_DEFAULT_PORTS = {"http": 80, "https": 443}


def call_context(connection: HTTPConnection) -> CallContext:
    """On whose behalf a request that passed the guard calls the queue service."""
    state = connection.scope["state"]
    return CallContext(caller=state["claims"].caller(), correlation_id=state["correlation_id"])


class Guard:
    """ASGI middleware: verifies the token of every request to a surface that needs one, announces its user, and
    leaves the claims in the request's state."""

    def __init__(
        self, app: ASGIApp, surfaces: Surfaces, verifier: TokenVerifier, callers: Callers, public_url: str
    ) -> None:
        self._app = app
        self._surfaces = surfaces
        self._verifier = verifier
        self._callers = callers
        self._public_host = _host(urlsplit(public_url).netloc, urlsplit(public_url).scheme)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._surfaces.at(scope["path"]).needs_token:
            await self._admit(scope)
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        token, by_cookie = _token(headers, HTTPConnection(scope).cookies)
        claims = await self._verify(token)
        if by_cookie and scope["method"] not in SAFE_METHODS and self._is_foreign(headers):
            raise Problem(403)
        await self._announce(claims, scope["state"]["correlation_id"])
        scope["state"]["claims"] = claims

    async def _verify(self, token: str) -> Claims:
        try:
            return await self._verifier.verify(token)
        except TokenRejectedError as rejection:
            raise _unauthorized(f"Invalid token: {rejection}") from rejection
        except KeysUnavailableError as error:
            raise Problem(503) from error

    async def _announce(self, claims: Claims, correlation_id: str) -> None:
        try:
            await self._callers.announce(claims, correlation_id)
        except ServiceError as error:
            if error.status is grpc.StatusCode.INVALID_ARGUMENT:
                raise _unauthorized("Invalid token: invalid claims") from error
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


def _token(headers: Headers, cookies: Mapping[str, str]) -> tuple[str, bool]:
    """The token and whether it came in the cookie."""
    sent = headers.getlist("authorization")
    if len(sent) > 1:
        raise _unauthorized("Invalid token: more than one Authorization header")
    if sent:
        scheme, _, token = sent[0].strip().partition(" ")
        by_cookie = False
        if scheme.lower() != "bearer":
            token = ""
    else:
        token, by_cookie = cookies.get(COOKIE, ""), True
    if not token.strip():
        raise _unauthorized("Not authenticated")
    return token.strip(), by_cookie


def _unauthorized(text: str) -> Problem:
    return Problem(401, text, headers=_CHALLENGE)


def _host(netloc: str, scheme: str) -> str:
    """`host:port` of an address, with the scheme's port where none is given; empty when there is no host.

    Raises ValueError for a bad port.
    """
    parts = urlsplit(f"//{netloc}")
    if not parts.hostname:
        return ""
    return f"{parts.hostname.lower()}:{parts.port or _DEFAULT_PORTS.get(scheme, 0)}"
