"""Who may do what in which business: one statement, asked at every call, so that a change of the matrix holds at once."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncEngine

from jobline.service_tokens import Role
from jobline_queue.core.errors import Forbidden, NotFound
from jobline_queue.modules.communications.job import MAX_ID
from jobline_queue.rpc.principal import Principal
from jobline_queue.store.statements import statement

#: What a service token counts as, in every business.
_SERVICES = {Role.OPERATOR: "Admin", Role.PRODUCER: "Manager"}
#: The platform's role that counts as Admin in every business.
_PLATFORM_ADMIN = "admin"


class Action(StrEnum):
    """The words of `role_permissions.action`."""

    VIEW = "view"
    VIEW_JOBS = "viewJobs"
    RETRY = "retry"
    CANCEL = "cancel"
    DELETE = "delete"
    PROCESS = "process"
    CREATE = "create"


class Access:
    """Rights in businesses, over the pool."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def require(self, principal: Principal, business_id: str, action: Action) -> None:
        """Raises NotFound (business) or Forbidden."""
        if not 1 <= len(business_id) <= MAX_ID or "\0" in business_id:
            raise NotFound("business", business_id)
        user = principal.user
        params = {
            "business_id": business_id,
            "action": action,
            "role": _given_role(principal, business_id),
            "user_id": user.sub if user else "",
        }
        async with self._engine.connect() as connection:
            sql = statement("authorize", "jobline_queue.modules.communications")
            answer = (await connection.exec_driver_sql(sql, params)).one()
        if not answer.exists:
            raise NotFound("business", business_id)
        if not answer.allowed:
            raise Forbidden(f"no right to {action} in business {business_id}")


def _given_role(principal: Principal, business_id: str) -> str | None:
    """The role that comes with the call; None: only a row of `business_members` may give one."""
    if principal.user is None:
        return _SERVICES.get(principal.role)
    if principal.user.role == _PLATFORM_ADMIN:
        return "Admin"
    return principal.user.businesses.get(business_id)
