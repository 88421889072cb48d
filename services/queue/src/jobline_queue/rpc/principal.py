"""Who calls: the service token's name and role, and the verified end user that a gateway sends along."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum

from google.protobuf.message import DecodeError

from jobline.v1 import account_service_pb2 as account_pb
from jobline_queue.core.errors import Forbidden, Unauthenticated, invalid
from jobline_queue.core.json_text import check_text

CALLER_KEY = "jobline-caller-bin"
#: The request's id, made or passed on by the gateway; joins the logs of all services and the jobs it stores.
CORRELATION_KEY = "x-request-id"


class Role(StrEnum):
    PRODUCER = "producer"
    WORKER = "worker"
    OPERATOR = "operator"
    GATEWAY = "gateway"


@dataclass(frozen=True)
class EndUser:
    """A user whose token the gateway has verified, or an anonymous session (then `sub` is empty)."""

    sub: str
    email: str = ""
    role: str = "user"
    businesses: Mapping[str, str] = field(default_factory=dict)
    session: str = ""


@dataclass(frozen=True)
class Principal:
    name: str
    role: Role
    user: EndUser | None = None

    @property
    def actor(self) -> str:
        """For the history: `user:…` or `service:…`."""
        return f"user:{self.user.sub}" if self.user and self.user.sub else f"service:{self.name}"


current: ContextVar[Principal] = ContextVar("principal")
correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")


class Authenticator:
    """Knows the service tokens by their SHA-256, so that looking one up leaks nothing through time."""

    def __init__(self, tokens: Iterable[tuple[str, Role, str]]) -> None:
        self._principals = {_digest(token): Principal(name, role) for name, role, token in tokens}

    def authenticate(self, metadata: Iterable[tuple[str, str | bytes]]) -> Principal:
        """Raises Unauthenticated, Forbidden (an end user from another role than gateway) or InvalidField."""
        authorization, caller = "", b""
        for key, value in metadata:
            if key == "authorization" and isinstance(value, str):
                authorization = value
            elif key == CALLER_KEY and isinstance(value, bytes):
                caller = value
        scheme, _, token = authorization.partition(" ")
        principal = self._principals.get(_digest(token)) if scheme.lower() == "bearer" and token else None
        if principal is None:
            raise Unauthenticated("expected metadata `authorization: Bearer {service token}` with a known token")
        if not caller:
            return principal
        if principal.role is not Role.GATEWAY:
            raise Forbidden("only a gateway may name an end user")
        return Principal(principal.name, principal.role, _end_user(caller))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _end_user(caller: bytes) -> EndUser:
    try:
        message = account_pb.Caller.FromString(caller)
    except DecodeError:
        raise invalid(CALLER_KEY, "expected a jobline.v1.Caller") from None
    return end_user(message)


def end_user(message: account_pb.Caller) -> EndUser:
    check_text("caller.sub", message.sub, 255)
    check_text("caller.email", message.email, 320)
    check_text("caller.session", message.session, 255)
    return EndUser(message.sub, message.email, message.role or "user", dict(message.businesses), message.session)
