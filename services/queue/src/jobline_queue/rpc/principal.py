"""Who calls: the service token's name and role, and the verified end user that a gateway sends along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError

from jobline.service_tokens import Role, ServiceToken, ServiceTokens
from jobline.v1 import account_service_pb2 as account_pb
from jobline_queue.core.errors import Forbidden, Unauthenticated, invalid
from jobline_queue.core.json_text import check_text

CALLER_KEY = "jobline-caller-bin"


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
    """Knows who calls by what the call's metadata says."""

    def __init__(self, tokens: Iterable[ServiceToken]) -> None:
        self._tokens = ServiceTokens(tokens)

    def authenticate(self, metadata: Sequence[tuple[str, str | bytes]]) -> Principal:
        """Raises Unauthenticated, Forbidden (an end user from another role than gateway) or InvalidField."""
        token = self._tokens.of_call(metadata)
        if token is None:
            raise Unauthenticated("expected metadata `authorization: Bearer {service token}` with a known token")
        caller = next((value for key, value in metadata if key == CALLER_KEY and isinstance(value, bytes)), None)
        if caller is None:  # an empty one is a user without a name, who has no rights; a gateway by itself has some
            return Principal(token.name, token.role)
        if token.role is not Role.GATEWAY:
            raise Forbidden("only a gateway may name an end user")
        return Principal(token.name, token.role, _end_user(caller))


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
