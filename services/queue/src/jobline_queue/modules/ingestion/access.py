"""Who may do what: a project is its owner's, and everybody's who has a right on all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from jobline.service_tokens import Role
from jobline_queue.core.errors import Forbidden, NotFound, invalid
from jobline_queue.modules.ingestion.job import id_rule
from jobline_queue.modules.ingestion.tables import projects
from jobline_queue.rpc.principal import CALLER_KEY, Principal

Row = Mapping[str, Any]
#: The platform's roles, as tokens have them.
MANAGER, ADMIN = "manager", "admin"
#: The services that need no user to act for. A gateway always acts for one.
_OWN_RIGHT = frozenset({Role.OPERATOR, Role.PRODUCER})


def has_role(principal: Principal, *roles: str) -> bool:
    """Whether the user has one of the platform's roles; a service with rights of its own counts as each of them.

    Raises InvalidField for a gateway that does not say for whom it calls.
    """
    if principal.user is not None:
        return principal.user.role in roles
    if principal.role not in _OWN_RIGHT:
        raise invalid(CALLER_KEY, "expected a Caller")
    return True


def require_role(principal: Principal, *roles: str) -> None:
    """Raises Forbidden, or InvalidField as `has_role`."""
    if not has_role(principal, *roles):
        raise Forbidden(f"expected the role {' or '.join(roles)}")


def may_use_all(principal: Principal) -> bool:
    """Whether every project may be used."""
    return has_role(principal, MANAGER, ADMIN)


def users_id(principal: Principal) -> str:
    """Whose projects those of the caller are. Raises Forbidden for a caller who is no user."""
    if principal.user is None or not principal.user.sub:
        raise Forbidden("expected a user")
    return principal.user.sub


class Access:
    """Rights on projects, over the pool."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def project(self, principal: Principal, project_id: str) -> Row:
        """The project, which the caller may use.

        Raises NotFound (project), also for what is no id, Forbidden, or InvalidField as `has_role`.
        """
        all_of_them = may_use_all(principal)
        row = await self._find(project_id) if id_rule(project_id) is None else None
        if row is None:
            raise NotFound("project", project_id[:255])
        if not all_of_them and not _is_owner(principal, row):
            raise Forbidden(f"project {project_id} is another user's")
        return row

    async def require(self, principal: Principal, project_id: str) -> None:
        """For what is in a project that may have no row: then it takes a right on all. Raises Forbidden, or InvalidField as
        `has_role`."""
        if may_use_all(principal):
            return
        row = await self._find(project_id)
        if row is None or not _is_owner(principal, row):
            raise Forbidden(f"project {project_id} is another user's")

    async def _find(self, project_id: str) -> Row | None:
        async with self._engine.connect() as connection:
            found = await connection.execute(sa.select(projects).where(projects.c.id == project_id))
            row = found.mappings().first()
        return None if row is None else dict(row)


def _is_owner(principal: Principal, project: Row) -> bool:
    return principal.user is not None and principal.user.sub == project["owner_id"]
