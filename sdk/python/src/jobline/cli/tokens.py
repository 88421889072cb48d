"""Development tokens: what `jobline token` prints and the gateway accepts.

A token is a JWT in the shape of Supabase Auth tokens, signed with HS256. With production keys (a JWKS) tokens come from
the identity provider instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import jwt

from jobline.runtime import DEVELOPMENT_JWT_SECRET, Settings, SettingsError

__all__ = ["ROLES", "mint_token", "signing_secret"]

#: The roles that `app_metadata.role` may name.
ROLES = ("user", "support", "manager", "admin")

_LEAST_PRODUCTION_SECRET = 32


def signing_secret(settings: Settings) -> str:
    """The HS256 secret to sign with: JOBLINE_JWT_SECRET, else, outside production, the development secret.

    Raises SettingsError in production when the secret is missing, the development one, or under 32 characters.
    """
    secret = settings.text("JOBLINE_JWT_SECRET")
    if not settings.production:
        return secret or DEVELOPMENT_JWT_SECRET
    if secret == DEVELOPMENT_JWT_SECRET or len(secret) < _LEAST_PRODUCTION_SECRET:
        raise SettingsError(
            "JOBLINE_JWT_SECRET must be set to a secret of your own of at least "
            f"{_LEAST_PRODUCTION_SECRET} characters when JOBLINE_ENV is production"
        )
    return secret


def mint_token(
    settings: Settings,
    subject: str,
    *,
    role: str = "user",
    businesses: Mapping[str, str] | None = None,
    email: str = "",
    ttl: float = 3600.0,
) -> str:
    """A signed token for `subject` that expires after `ttl` seconds.

    `businesses` maps business ids to the role held there; which role words a business knows is the surface's affair, so
    they are passed on as they are. The audience is JOBLINE_JWT_AUDIENCE where that is set.

    Raises ValueError for an empty subject, an unknown role, or a `ttl` that is not positive; SettingsError as
    `signing_secret`.
    """
    if not subject.strip():
        raise ValueError("sub: expected a user id, got an empty text")
    if role not in ROLES:
        raise ValueError(f"role: expected one of {', '.join(ROLES)}, got {role!r}")
    if not ttl > 0:
        raise ValueError(f"ttl: expected more than 0 seconds, got {ttl}")
    now = datetime.now(UTC)
    claims: dict[str, object] = {
        "sub": subject,
        "iat": now,
        "exp": _expiry(now, ttl),
        "app_metadata": {"role": role, "businesses": dict(businesses or {})},
    }
    if email:
        claims["email"] = email
    if audience := settings.text("JOBLINE_JWT_AUDIENCE"):
        claims["aud"] = audience
    return jwt.encode(claims, signing_secret(settings), algorithm="HS256")


def _expiry(now: datetime, ttl: float) -> datetime:
    try:
        return now + timedelta(seconds=ttl)
    except OverflowError as error:
        raise ValueError(f"ttl: expected a date before the year 10000, got {ttl} seconds") from error
