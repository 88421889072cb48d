"""Service tokens: which programs may call a gRPC service of Jobline, and in which role.

The queue service and the worker service know the same tokens, from the same setting, and look them up in the same way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from jobline.runtime import Settings, SettingsError

__all__ = ["Role", "ServiceToken", "ServiceTokens", "read_service_tokens"]

_SETTING = "JOBLINE_SERVICE_TOKENS"
#: Fewer characters could be guessed.
_SHORTEST = 16


class Role(StrEnum):
    """What a service token is for."""

    PRODUCER = "producer"
    WORKER = "worker"
    OPERATOR = "operator"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class ServiceToken:
    """A token, the name of the program that holds it, and the role it gives."""

    name: str
    role: Role
    token: str = field(repr=False)


class ServiceTokens:
    """Knows tokens by their SHA-256, so that looking one up leaks nothing through time."""

    def __init__(self, tokens: Iterable[ServiceToken]) -> None:
        self._tokens = {_digest(each.token): each for each in tokens}

    def of_call(self, metadata: Iterable[tuple[str, str | bytes]]) -> ServiceToken | None:
        """The known token in a call's metadata `authorization: Bearer {token}`; None without one."""
        authorization = ""
        for key, value in metadata:
            if key == "authorization" and isinstance(value, str):
                authorization = value
        scheme, _, token = authorization.partition(" ")
        return self._tokens.get(_digest(token)) if scheme.lower() == "bearer" and token else None


def read_service_tokens(settings: Settings) -> tuple[ServiceToken, ...]:
    """The tokens of JOBLINE_SERVICE_TOKENS, or in development those of the embedded stack; none if neither is there.

    Raises SettingsError for an entry that is no name:role:token, and in production if there is no entry.
    """
    listed = settings.items(_SETTING)
    if listed:
        return tuple(map(_parse, listed))
    if settings.production:
        raise SettingsError(f"{_SETTING} is not set: production needs name:role:token for each caller")
    ends = settings.endpoints
    embedded = {
        Role.GATEWAY: ends.gateway_token,
        Role.OPERATOR: ends.operator_token,
        Role.PRODUCER: ends.producer_token,
        Role.WORKER: ends.worker_token,
    }
    return tuple(ServiceToken(role.value, role, token) for role, token in embedded.items() if token)


def _parse(text: str) -> ServiceToken:
    name, _, rest = text.partition(":")
    role, _, token = rest.partition(":")
    if role not in list(Role) or not name or len(token) < _SHORTEST:
        raise SettingsError(
            f"{_SETTING}: entry {name or '?'!r}: expected name:role:token with a role of {', '.join(Role)} "
            f"and a token of at least {_SHORTEST} characters"
        )
    return ServiceToken(name, Role(role), token)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
