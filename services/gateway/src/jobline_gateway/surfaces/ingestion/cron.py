"""The door of the workers' endpoints: a cron that knows CRON_SECRET, nobody else.

It is no door for users: neither a token nor a cookie of theirs opens it. It stands before routing like the guard, so that
a stranger learns nothing. In development it is open to who brings no secret at all, and says so in the log.
"""

from __future__ import annotations

import hmac
import logging

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from jobline_gateway.problems import Problem, unauthorized
from jobline_gateway.surfaces.ingestion.surface import CRON, NOT_CONFIGURED, UNAUTHORIZED, WORKERS

__all__ = ["CronDoor"]

logger = logging.getLogger(__name__)

NAMES = frozenset({"ingestion", "vectorization", "cleanup"})


class CronDoor:
    """ASGI middleware: lets a request to a worker's endpoint pass that may."""

    def __init__(self, app: ASGIApp, secret: str, production: bool) -> None:
        self._app = app
        self._secret = secret.encode()
        self._production = production

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and CRON.owns(scope["path"]):
            name = scope["path"].removeprefix(f"{WORKERS}/")
            self._check(name if name in NAMES else "unknown", Headers(scope=scope).getlist("authorization"))
        await self._app(scope, receive, send)

    def _check(self, worker: str, sent: list[str]) -> None:
        """Raises Problem. `sent` are the headers `Authorization`."""
        if not self._secret:
            if self._production:
                logger.error("worker=%s refused: CRON_SECRET is not set", worker)
                raise Problem(500, NOT_CONFIGURED)
            logger.warning("worker=%s open to everybody: CRON_SECRET is not set", worker)
        elif not sent and not self._production:
            logger.warning("worker=%s called without the CRON_SECRET, which production would refuse", worker)
        elif not self._is_secret(sent):
            logger.warning("worker=%s refused: not the CRON_SECRET", worker)
            raise unauthorized(UNAUTHORIZED)

    def _is_secret(self, sent: list[str]) -> bool:
        if len(sent) != 1:
            return False
        scheme, _, secret = sent[0].strip().partition(" ")
        # Headers are read as Latin-1, so this gives the bytes that were sent.
        return scheme.lower() == "bearer" and hmac.compare_digest(secret.strip().encode("latin-1"), self._secret)
