"""What happens to every request, whatever it asks for: one log line, one way for errors, one bound on bodies.

Plain ASGI, outermost first: RequestLog, SurfaceHeaders, ErrorBoundary, OptionalSlash, the guard (guard.py), BodyLimit, then
the framework. The guard stands before the body limit because a stranger is told 401 and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from jobline_gateway.body import BODY_DEADLINE, bounded, declared_length
from jobline_gateway.problems import Problem, from_service, text_of
from jobline_gateway.service_client import ServiceError
from jobline_gateway.surface import MEBIBYTE, Surface, Surfaces

__all__ = ["BodyLimit", "ErrorBoundary", "OptionalSlash", "RequestLog", "SurfaceHeaders"]

logger = logging.getLogger(__name__)

CORRELATION_HEADER = "x-request-id"
#: Requests with a body of more than 1 MiB that are served at once (what is made of 16 MiB may take 100 MB), and the seconds
#: for which others wait for their turn.
LARGE_AT_ONCE = 4
TURN_DEADLINE = 120.0

_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class RequestLog:
    """Gives each request its correlation id (the caller's `x-request-id` when it is a plain word, else a new one),
    puts the common headers on each answer and writes one line about it. Neither query strings nor headers are logged:
    they may hold secrets."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        correlation_id = _correlation_id(scope)
        scope.setdefault("state", {})["correlation_id"] = correlation_id
        started = time.perf_counter()
        status = 0

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[CORRELATION_HEADER] = correlation_id
                headers.setdefault("x-content-type-options", "nosniff")
                headers.setdefault("cache-control", "no-store")
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        finally:
            milliseconds = (time.perf_counter() - started) * 1000
            path = scope["raw_path"].decode("ascii", "replace")
            logger.info(
                "%s %s %s %.1fms request_id=%s", scope["method"], path, status or "-", milliseconds, correlation_id
            )


def _correlation_id(scope: Scope) -> str:
    sent = Headers(scope=scope).get(CORRELATION_HEADER, "")
    return sent if _CORRELATION_ID.fullmatch(sent) else str(uuid7())


class SurfaceHeaders:
    """Puts the headers of a surface on all its answers, refusals included."""

    def __init__(self, app: ASGIApp, surfaces: Surfaces) -> None:
        self._app = app
        self._surfaces = surfaces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = self._surfaces.at(scope["path"]).headers if scope["type"] == "http" else {}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        await self._app(scope, receive, send_with_headers if headers else send)


class ErrorBoundary:
    """Turns whatever a request ends in into an answer in its surface's envelope. What nobody foresaw is logged."""

    def __init__(self, app: ASGIApp, surfaces: Surfaces) -> None:
        self._app = app
        self._surfaces = surfaces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answered = False

        async def send_noting(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except ClientDisconnect:
            logger.info("the client left before its request was complete")
        except Exception as error:
            surface = self._surfaces.at(scope["path"])
            problem = _problem(error, surface, scope["state"]["correlation_id"])
            if answered:
                raise
            await _answer(problem, surface, scope)(scope, receive, send)


def _problem(error: Exception, surface: Surface, correlation_id: str) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, ServiceError):
        problem = from_service(error, surface)
        if problem.status >= 500:
            level = logging.WARNING if problem.status == 503 else logging.ERROR
            logger.log(level, "a service refused: %s request_id=%s", error, correlation_id)
        return problem
    logger.error("unexpected fault request_id=%s", correlation_id, exc_info=error)
    return Problem(500)


def _answer(problem: Problem, surface: Surface, scope: Scope) -> Response:
    if surface.page is not None:
        return surface.page(problem, scope)
    content = problem.content
    if content is None:
        content = surface.envelope(problem.status, problem.text or text_of(problem.status))
    return JSONResponse(content, problem.status, headers=dict(problem.headers))


class OptionalSlash:
    """Makes the trailing slash optional: a path is brought to the spelling of its route. `collections` are the paths
    of the routes that are spelled with one. An escaped slash belongs to the value that it ends."""

    def __init__(self, app: ASGIApp, collections: Iterable[str]) -> None:
        self._app = app
        self._collections = frozenset(collections)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] != "/" and scope["raw_path"][-3:].upper() != b"%2F":
            bare = scope["path"].removesuffix("/")
            scope["path"] = f"{bare}/" if f"{bare}/" in self._collections else bare
        await self._app(scope, receive, send)


class BodyLimit:
    """Refuses bodies that are larger than their surface allows, declared or not, and ones that dawdle: `deadline` is in
    seconds for the first MiB, a fifth of it for each further one that is allowed.

    A body of more than 1 MiB, or of unknown length where more are allowed, is read when it is its turn: `large_at_once` of
    them are in memory, however many come. Who waits for longer than `turn_deadline` seconds is answered 503.
    """

    def __init__(
        self,
        app: ASGIApp,
        surfaces: Surfaces,
        deadline: float = BODY_DEADLINE,
        large_at_once: int = LARGE_AT_ONCE,
        turn_deadline: float = TURN_DEADLINE,
    ) -> None:
        self._app = app
        self._surfaces = surfaces
        self._deadline = deadline
        self._room = asyncio.Semaphore(large_at_once)
        self._turn_deadline = turn_deadline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._surfaces.at(scope["path"]).body_limit
        declared = declared_length(scope)
        size = limit if declared is None else declared
        if not MEBIBYTE < size <= limit:
            await self._read(scope, receive, send, limit)
            return
        async with self._turn():
            await self._read(scope, receive, send, limit)

    async def _read(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        deadline = self._deadline * (1 + (limit / MEBIBYTE - 1) / 5)
        await self._app(scope, bounded(scope, receive, limit, deadline), send)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._turn_deadline):
                await self._room.acquire()
        except TimeoutError:
            raise Problem(503) from None
        try:
            yield
        finally:
            self._room.release()
