"""What the parts that serve every surface need to know of each: its paths, whom it lets in and its error envelope."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response
from starlette.types import Scope

from jobline_gateway.problems import FieldError, Problem
from jobline_gateway.service_client import ServiceError

__all__ = ["OUTSIDE", "Door", "Surface", "Surfaces"]

MEBIBYTE = 1024 * 1024
NOT_AUTHENTICATED = "Not authenticated"


def _plain(status: int, text: str) -> Mapping[str, Any]:
    return {"error": text}


def _reason_told(reason: str) -> str:
    return f"Invalid token: {reason}" if reason else NOT_AUTHENTICATED


def _plain_invalid(errors: Sequence[FieldError]) -> Problem:
    return Problem(422, "; ".join(f"{'.'.join(map(str, error.loc))}: {error.msg}" for error in errors))


@dataclass(frozen=True)
class Door:
    """Whom a surface lets in, and what it tells the others (401).

    Everybody with a valid token is let in; with `by_session` also an anonymous session. `missing` is said when neither
    was sent. `rejected` makes a text of the reason why a token is not valid; the reason is empty where the header
    `Authorization` holds no bearer token at all.
    """

    by_session: bool = False
    missing: str = NOT_AUTHENTICATED
    rejected: Callable[[str], str] = _reason_told


@dataclass(frozen=True)
class Surface:
    """One of the REST surfaces.

    `prefixes` are its paths, without a trailing slash; `envelope` builds an error body from status and text; `invalid`
    the problem for bad fields; `refusals` maps a reason of the queue service to the problem that the surface makes of
    it, where it has words of its own; without a `door` it is open to everybody; `body_limit` is in bytes. `page` shows a
    problem to people, instead of the envelope; every answer has the `headers`.
    """

    prefixes: tuple[str, ...]
    envelope: Callable[[int, str], Mapping[str, Any]] = _plain
    invalid: Callable[[Sequence[FieldError]], Problem] = _plain_invalid
    refusals: Mapping[str, Callable[[ServiceError], Problem]] = field(default_factory=dict)
    door: Door | None = Door()
    body_limit: int = MEBIBYTE
    page: Callable[[Problem, Scope], Response] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def owns(self, path: str) -> bool:
        return any(path == prefix or path.startswith(prefix + "/") for prefix in self.prefixes)


#: Everything that no surface owns: health, documentation, unknown paths.
OUTSIDE = Surface(prefixes=(), door=None)


class Surfaces:
    """The surfaces that are served, found by path."""

    def __init__(self, surfaces: Sequence[Surface]) -> None:
        self._surfaces = tuple(surfaces)

    def at(self, path: str) -> Surface:
        return next((surface for surface in self._surfaces if surface.owns(path)), OUTSIDE)
