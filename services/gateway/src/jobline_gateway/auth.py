"""Who is calling: one verifier of bearer tokens for every surface.

A token is a JWT (RFC 7519). RFC 8725 lists what has gone wrong with verifying them elsewhere; this module keeps to it:
the key decides the algorithm, never the token; a `kid` is a key of a dictionary and nothing else; keys or addresses
inside a token are ignored; and what a token says about itself is checked for shape before anyone relies on it. A
refusal carries a short constant phrase, so that nothing of a token, or of a library's error text, reaches an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from jobline.v1.account_service_pb2 import Caller

__all__ = [
    "MAX_ID_CHARACTERS",
    "Claims",
    "KeySource",
    "KeysUnavailableError",
    "TokenRejectedError",
    "TokenVerifier",
    "VerificationKey",
    "is_text",
]

#: Longer tokens are refused unread. Real ones have one to four thousand characters.
MAX_TOKEN_CHARACTERS = 8192
MAX_ID_CHARACTERS = 255
MAX_EMAIL_CHARACTERS = 320
ROLES = frozenset({"user", "support", "manager", "admin"})

_INVALID_CLAIMS = "invalid claims"

#: The first class that matches gives the phrase; anything else is "malformed".
_PHRASES: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ExpiredSignatureError, "expired"),
    (jwt.ImmatureSignatureError, "not valid yet"),
    (jwt.InvalidAudienceError, "wrong audience"),
    (jwt.InvalidSignatureError, "wrong signature"),
    (jwt.InvalidAlgorithmError, "wrong algorithm"),
    (jwt.exceptions.InvalidSubjectError, "invalid sub"),
)


class TokenRejectedError(Exception):
    """The token is not valid. `str()` is a short phrase without anything of the token."""


class KeysUnavailableError(Exception):
    """No key is known and none can be fetched, so no token can be judged."""


@dataclass(frozen=True)
class VerificationKey:
    """A key and the one algorithm that it may be used with."""

    material: bytes | RSAPublicKey | EllipticCurvePublicKey
    algorithm: str


class KeySource(Protocol):
    """Where verification keys come from."""

    async def find(self, header: Mapping[str, Any]) -> VerificationKey:
        """The key for a token with this header, which is not verified yet.

        Raises TokenRejectedError when there is none for it, KeysUnavailableError when that cannot be known now.
        """


@dataclass(frozen=True)
class Claims:
    """What a verified token says about its bearer. `expires_at` is in seconds since 1970."""

    sub: str
    email: str
    role: str
    businesses: Mapping[str, str]
    expires_at: float

    def caller(self) -> Caller:
        """The same for the queue service."""
        return Caller(sub=self.sub, email=self.email, role=self.role, businesses=self.businesses)


class TokenVerifier:
    """Verifies signature, times, audience (only where one is configured) and the shape of the claims."""

    def __init__(self, keys: KeySource, audience: str = "") -> None:
        self._keys = keys
        self._audience = audience or None
        self._jwt = jwt.PyJWT(
            {
                "require": ["exp", "sub"],
                "verify_aud": bool(audience),
                # Neither is a claim we use: a clock that runs ahead or a numeric `jti` must not lock anyone out.
                "verify_iat": False,
                "verify_jti": False,
            }
        )

    async def verify(self, token: str) -> Claims:
        """The claims of a valid token. Raises TokenRejectedError or KeysUnavailableError."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise TokenRejectedError("too long")
        try:
            header = jwt.get_unverified_header(token)
            key = await self._keys.find(header)
            payload = self._jwt.decode(token, key.material, algorithms=[key.algorithm], audience=self._audience)
        except jwt.PyJWTError as error:
            raise TokenRejectedError(_phrase(error)) from error
        except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
            # Valid JSON of the wrong kind, such as an infinite `exp`, that the library does not expect.
            raise TokenRejectedError("malformed") from error
        return _claims(payload)


def _phrase(error: jwt.PyJWTError) -> str:
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"no {error.claim}" if error.claim in ("exp", "sub") else "wrong audience"
    return next((phrase for kind, phrase in _PHRASES if isinstance(error, kind)), "malformed")


def _claims(payload: Mapping[str, Any]) -> Claims:
    app_metadata = _optional(payload, "app_metadata", dict) or {}
    role = _optional(app_metadata, "role", str) or "user"
    businesses = _optional(app_metadata, "businesses", dict) or {}
    sub = payload["sub"]
    if not sub or not is_text(sub, MAX_ID_CHARACTERS):
        raise TokenRejectedError("invalid sub")
    email = _optional(payload, "email", str) or ""
    pairs = [part for pair in businesses.items() for part in pair]
    if not is_text(email, MAX_EMAIL_CHARACTERS) or not all(is_text(part, MAX_ID_CHARACTERS) for part in pairs):
        raise TokenRejectedError(_INVALID_CLAIMS)
    return Claims(
        sub=sub,
        email=email,
        # A role that Jobline does not know gives no more rights than none at all.
        role=role if role in ROLES else "user",
        businesses=businesses,
        expires_at=_seconds(payload["exp"]),
    )


def _optional(values: Mapping[str, Any], name: str, kind: type) -> Any:
    """The claim, None when absent or null; a claim of another type is refused."""
    value = values.get(name)
    if value is not None and not isinstance(value, kind):
        raise TokenRejectedError(_INVALID_CLAIMS)
    return value


def is_text(value: object, limit: int) -> TypeGuard[str]:
    """True for a string that protobuf and PostgreSQL can hold: no NUL, no lone surrogate."""
    if not isinstance(value, str) or len(value) > limit or "\0" in value:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _seconds(exp: object) -> float:
    """`exp` as RFC 7519 has it, a number."""
    if isinstance(exp, bool) or not isinstance(exp, int | float):
        raise TokenRejectedError(_INVALID_CLAIMS)
    try:
        return float(exp)
    except OverflowError as error:
        raise TokenRejectedError(_INVALID_CLAIMS) from error
