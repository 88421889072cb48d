"""One HTTP call to a configured provider, with its errors sorted into "try again" and "give up".

Used by every HTTP provider, so that a time-out, a cut connection, a 429 or a novel of an error page mean the same
everywhere: connection failure, time-out, HTTP 408, 425, 429 and 5xx are transient, every other error status is not.
Redirects are not followed and the environment's proxies and netrc are not used: the address in the setting is the
one that gets the key.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx

from jobline_worker.providers.bounded_body import ACCEPT_ENCODING, BodyTooLarge, UnreadableBody, read_body
from jobline_worker.providers.errors import (
    BadAnswer,
    ProviderTimeout,
    ProviderUnreachable,
    Refused,
    TemporarilyRefused,
    excerpt,
)

__all__ = ["Answer", "HttpProvider", "http_url", "provider_client"]

#: No answer of a provider is longer than this, in bytes, unless it sends pictures.
MAX_ANSWER_BYTES = 4 * 1024 * 1024

_TRANSIENT_STATUSES = frozenset({408, 425, 429})


def provider_client(transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """A client for configured providers. Time limits are the caller's: HttpProvider bounds each whole call.

    `transport` is for addresses that nobody configured: it decides which of them may be reached.
    """
    return httpx.AsyncClient(
        transport=transport,
        trust_env=False,
        follow_redirects=False,
        timeout=None,
        headers={"Accept-Encoding": ACCEPT_ENCODING, "User-Agent": "jobline-worker"},
    )


def http_url(value: str) -> str:
    """Reads the setting of a provider's address; without the slashes at its end. Raises ValueError for anything else."""
    expected = "expected an http:// or https:// address"
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL as error:
        raise ValueError(expected) from error
    # The value is not repeated: it may carry a password.
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(expected)
    return value.rstrip("/")


@dataclass(frozen=True)
class Answer:
    """A complete answer. The body of an error may be missing: one too large or too broken to be read is left out."""

    status: int
    headers: httpx.Headers
    body: bytes


class HttpProvider:
    """One configured provider: its name in error messages, its limits per call in seconds and bytes, its key."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        label: str,
        timeout: float,
        api_key: str = "",
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._client = client
        self._label = label
        self._timeout = timeout
        self._api_key = api_key
        self._max_bytes = max_bytes

    async def get(self, url: str, params: Mapping[str, str | int] | None = None) -> bytes:
        """The answer's body. Without `params` the address keeps the query that it has."""
        query = dict(params) if params else None
        return self._accepted(await self.exchange(self._client.build_request("GET", url, params=query)))

    async def post_json(self, url: str, body: Mapping[str, object]) -> bytes:
        headers = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
        request = self._client.build_request("POST", url, json=dict(body), headers=headers)
        return self._accepted(await self.exchange(request))

    def decode(self, answer: bytes) -> Any:
        """The answer as JSON. Raises BadAnswer, which is tried again, for anything else."""
        try:
            return json.loads(answer)
        except (ValueError, RecursionError) as error:
            raise BadAnswer(f"{self._label} sent an answer that is not JSON") from error

    async def exchange(self, request: httpx.Request) -> Answer:
        """The answer, whatever its status, for a provider whose dialect says what each means.

        Raises NoAnswer, or BadAnswer for one that was no error and cannot be read.
        """
        try:
            async with asyncio.timeout(self._timeout):
                return await self._send(request)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise ProviderTimeout(self._label, self._timeout) from error
        except httpx.HTTPError as error:
            # The exception's own text may hold the address, and the address a password.
            raise ProviderUnreachable(f"{self._label} could not be reached ({type(error).__name__})") from error

    async def _send(self, request: httpx.Request) -> Answer:
        response = await self._client.send(request, stream=True)
        try:
            body = await read_body(response, self._max_bytes)
        except (BodyTooLarge, UnreadableBody) as error:
            if response.is_success:
                raise BadAnswer(self._unreadable(error)) from error
            body = b""
        finally:
            await response.aclose()
        return Answer(response.status_code, response.headers, body)

    def _unreadable(self, error: BodyTooLarge | UnreadableBody) -> str:
        if isinstance(error, BodyTooLarge):
            return f"{self._label} sent an answer larger than {self._max_bytes} bytes"
        return f"{self._label} sent an answer that cannot be read: {error}"

    def _accepted(self, answer: Answer) -> bytes:
        """The body of a success. Raises TemporarilyRefused or Refused for every other status."""
        status = answer.status
        if 200 <= status < 300:
            return answer.body
        body = answer.body.decode("utf-8", "replace")
        said = excerpt(body, self._api_key)
        timeout = " (timeout)" if status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.GATEWAY_TIMEOUT) else ""
        message = f"{self._label} answered HTTP {status}{timeout}" + (f": {said}" if said else "")
        if status in _TRANSIENT_STATUSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise TemporarilyRefused(message, _retry_after(answer.headers))
        raise Refused(message, status, body)


def _retry_after(headers: httpx.Headers) -> float | None:
    """The seconds of Retry-After, a number or a date (RFC 9110, 10.2.3); None for none that can be read."""
    value = headers.get("retry-after", "")
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
