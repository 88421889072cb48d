"""The gateway as a test needs it: the real application in this process, or as a process of its own."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt

from jobline.runtime import DEVELOPMENT_JWT_SECRET
from jobline_gateway.app import create_app
from jobline_gateway.config import GatewayConfig
from support.eventually import eventually_blocking
from support.processes import ProgramUnderTest, clean_environ

__all__ = ["bearer", "gateway_client", "gateway_process", "user_token"]


def user_token(sub: str = "user-1", **claims: Any) -> str:
    """A development token that is good for an hour."""
    return jwt.encode({"sub": sub, "exp": int(time.time()) + 3600, **claims}, DEVELOPMENT_JWT_SECRET, "HS256")


def bearer(sub: str = "user-1", **claims: Any) -> dict[str, str]:
    """The header with such a token."""
    return {"authorization": f"Bearer {user_token(sub, **claims)}"}


@contextlib.asynccontextmanager
async def gateway_client(*queue_addresses: str, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, which calls the queue services at these addresses."""
    app = create_app(GatewayConfig(queue_addresses, **{"service_token": "service-token", **settings}))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as client,
    ):
        yield client


@contextlib.contextmanager
def gateway_process(logs: Path, **settings: str) -> Iterator[tuple[ProgramUnderTest, str]]:
    """`python -m jobline_gateway serve` on a free port, and its address once it is ready."""
    required = {"JOBLINE_GATEWAY_PORT": "0", "JOBLINE_QUEUE_ADDRESS": "127.0.0.1:1", "JOBLINE_TOKEN": "token"}
    environ = clean_environ(JOBLINE_DATA_DIR=str(logs), **{**required, **settings})
    process = ProgramUnderTest(("-m", "jobline_gateway", "serve"), environ, logs, "gateway")

    def address() -> str | None:
        found = re.search(r"ready, listening on (\S+)", process.errors.read_text())
        return found[1] if found else None

    try:
        url = eventually_blocking(address, within=30, what="the gateway is ready")
        assert url
        yield process, url
    finally:
        if process.returncode is None:
            process.kill()
