"""Who may look into the monitor, and who may act.

The queue service decides what each caller may do. These are the same rules once more, at the door: they answer before a
request's input is looked at, and for the page, which asks the queue service nothing.
"""

from __future__ import annotations

from fastapi import Request

from jobline_gateway.guard import call_context
from jobline_gateway.problems import Problem

__all__ = ["can_act", "require_admin", "require_staff"]

STAFF = frozenset({"manager", "admin"})
ADMIN = "admin"


def can_act(role: str) -> bool:
    return role == ADMIN


async def require_staff(request: Request) -> None:
    """Raises Problem 403 for who is neither a manager nor an admin."""
    if _role(request) not in STAFF:
        raise Problem(403)


async def require_admin(request: Request) -> None:
    """Raises Problem 403 for who is no admin."""
    if not can_act(_role(request)):
        raise Problem(403)


def _role(request: Request) -> str:
    caller = call_context(request).caller
    return caller.role if caller is not None else ""
