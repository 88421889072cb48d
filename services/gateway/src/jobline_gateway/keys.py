"""The keys that tokens are verified with: one shared secret, or the published key set of an identity provider.

A key set (JWKS, RFC 7517) changes when the provider rotates its keys, so it is fetched again when it is old and when
a token names a key that it lacks. The second is something any stranger can provoke, hence the small budget for it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from jobline_gateway.auth import KeysUnavailableError, TokenRejectedError, VerificationKey

__all__ = ["PublishedKeys", "SecretKey"]

logger = logging.getLogger(__name__)

#: Seconds after which a key set is fetched again, so that a key taken back stops working.
MAX_AGE = 600.0
#: Seconds without a new try after a failed fetch.
RETRY_PAUSE = 5.0
#: Fetches provoked by unknown keys: so many in so many seconds.
UNKNOWN_KEY_FETCHES = 5
UNKNOWN_KEY_WINDOW = 60.0
#: Seconds for one fetch as a whole.
FETCH_TIMEOUT = 5.0
MAX_KEY_SET_BYTES = 256 * 1024
#: RFC 7518, section 3.3.
MIN_RSA_BITS = 2048


class SecretKey:
    """HS256 with a shared secret, whatever a token's header says."""

    def __init__(self, secret: str) -> None:
        self._key = VerificationKey(secret.encode(), "HS256")

    async def find(self, header: Mapping[str, Any]) -> VerificationKey:
        return self._key


class PublishedKeys:
    """RS256 and ES256 with the keys published at `url`."""

    def __init__(
        self, url: str, *, timeout: float = FETCH_TIMEOUT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = url
        self._timeout = timeout
        self._clock = clock
        self._keys: dict[str | None, VerificationKey] = {}
        self._fetched_at = -math.inf
        self._retry_at = -math.inf
        self._provoked: deque[float] = deque(maxlen=UNKNOWN_KEY_FETCHES)
        self._fetching = asyncio.Lock()

    async def find(self, header: Mapping[str, Any]) -> VerificationKey:
        """See KeySource. A token without `kid` is judged by the only key, if there is just one."""
        if header.get("alg") not in ("RS256", "ES256"):
            raise TokenRejectedError("wrong algorithm")
        if self._clock() - self._fetched_at > MAX_AGE:
            await self._fetch(self._fetched_at)
        if not self._keys:
            raise KeysUnavailableError(f"no verification key could be read from {self._url}")
        key = self._lookup(header)
        if key is None and self._may_be_provoked():
            await self._fetch(self._fetched_at)
            key = self._lookup(header)
        if key is None:
            raise TokenRejectedError("unknown key")
        return key

    def _lookup(self, header: Mapping[str, Any]) -> VerificationKey | None:
        kid = header.get("kid")
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    def _may_be_provoked(self) -> bool:
        now = self._clock()
        if len(self._provoked) == UNKNOWN_KEY_FETCHES and now - self._provoked[0] < UNKNOWN_KEY_WINDOW:
            return False
        self._provoked.append(now)
        return True

    async def _fetch(self, seen: float) -> None:
        """Replaces the keys, unless another request has done so since `seen`. Old keys outlive a failed fetch."""
        async with self._fetching:
            if self._fetched_at != seen or self._clock() < self._retry_at:
                return
            try:
                self._keys = _verification_keys(await _read_json(self._url, self._timeout))
                self._fetched_at = self._clock()
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError) as error:
                self._retry_at = self._clock() + RETRY_PAUSE
                logger.warning("the key set at %s cannot be read: %r", self._url, error)


async def _read_json(url: str, seconds: float) -> Any:
    content = bytearray()
    async with (
        asyncio.timeout(seconds),
        httpx.AsyncClient(timeout=seconds) as client,
        client.stream("GET", url, headers={"accept": "application/json"}) as response,
    ):
        response.raise_for_status()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > MAX_KEY_SET_BYTES:
                raise ValueError(f"longer than {MAX_KEY_SET_BYTES} bytes")
    return json.loads(content)


def _verification_keys(key_set: Any) -> dict[str | None, VerificationKey]:
    entries = key_set.get("keys") if isinstance(key_set, dict) else None
    if not isinstance(entries, list):
        raise ValueError("expected a JSON object with a list `keys`")
    found: dict[str | None, VerificationKey] = {}
    for entry in entries:
        key = _verification_key(entry) if isinstance(entry, dict) else None
        if key is not None:
            found.setdefault(entry.get("kid"), key)
    if not found:
        raise ValueError("it holds no RSA (2048 bits or more) or P-256 key for signatures")
    return found


def _verification_key(entry: dict[str, Any]) -> VerificationKey | None:
    """The key of one entry, None when it is not for verifying RS256 or ES256."""
    kid = entry.get("kid")
    if entry.get("use", "sig") != "sig" or not (kid is None or isinstance(kid, str)):
        return None
    algorithm = {"RSA": "RS256", "EC": "ES256"}.get(str(entry.get("kty")))
    if algorithm is None or entry.get("alg", algorithm) != algorithm:
        return None
    try:
        material = jwt.PyJWK(entry, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if isinstance(material, RSAPublicKey) and material.key_size >= MIN_RSA_BITS:
        return VerificationKey(material, algorithm)
    if isinstance(material, EllipticCurvePublicKey) and isinstance(material.curve, SECP256R1):
        return VerificationKey(material, algorithm)
    return None
