"""What a caller may do with jobs, queues and workers. Which role may make a call at all was decided before, by `rules.py`.

operator             sees everything and does everything
producer             sees the jobs that it enqueued, and cancels them
gateway, for a user  sees that user's jobs, cancels and retries them; beyond that
    an admin         sees everything and does everything that a gateway may call
    a manager        sees everything
gateway, for nobody  sees everything, and does nothing
"""

from __future__ import annotations

from jobline.service_tokens import Role
from jobline_queue.core.errors import Forbidden
from jobline_queue.core.job_filter import JobFilter, JobRow
from jobline_queue.core.new_job import MAX_OWNER
from jobline_queue.rpc.principal import Principal

MANAGER, ADMIN = "manager", "admin"
#: No job has this owner: it is longer than one may be.
_NOBODY = "-" * (MAX_OWNER + 1)


def own(principal: Principal) -> str | None:
    """The owner of the jobs of a gateway's user; None for a caller that acts for nobody."""
    if principal.user is None:
        return None
    if principal.user.sub:
        return f"user:{principal.user.sub}"
    return f"session:{principal.user.session}" if principal.user.session else None


def visible(principal: Principal) -> JobFilter:
    """The jobs that a caller may see: at most an owner or a producer is set."""
    if sees_all(principal):
        return JobFilter()
    if principal.role is Role.GATEWAY:
        return JobFilter(owner=own(principal) or _NOBODY)
    return JobFilter(producer=principal.name)


def narrowed(rights: JobFilter, owner: str) -> str | None:
    """The owner to look for, when a request names one (empty: none)."""
    if not owner or rights.owner == owner:
        return rights.owner
    return owner if rights.owner is None else _NOBODY


def may_see(row: JobRow, principal: Principal) -> bool:
    rights = visible(principal)
    return rights.owner in (None, row["owner"]) and rights.producer in (None, row["producer"])


def sees_all(principal: Principal) -> bool:
    """Whether queues, workers, the history and everybody's jobs may be looked at."""
    if principal.role is Role.GATEWAY:
        return principal.user is None or _role(principal) in (MANAGER, ADMIN)
    return principal.role is Role.OPERATOR


def check_sees_all(principal: Principal) -> None:
    """Raises Forbidden."""
    if not sees_all(principal):
        raise Forbidden(f"expected a user with the role {MANAGER} or {ADMIN}")


def check_rules(principal: Principal) -> None:
    """Whether queues, workers and everybody's jobs may be acted on. Raises Forbidden."""
    if not _rules(principal):
        raise Forbidden(f"expected a user with the role {ADMIN}")


def check_acts(principal: Principal, owner: str | None) -> None:
    """Whether jobs that the caller may see, and that have this owner (None: any), may be acted on. Raises Forbidden."""
    if principal.role is Role.GATEWAY and (owner is None or owner != own(principal)):
        check_rules(principal)


def _rules(principal: Principal) -> bool:
    if principal.role is Role.GATEWAY:
        return _role(principal) == ADMIN
    return principal.role is Role.OPERATOR


def _role(principal: Principal) -> str:
    """A gateway's user's. Who has not signed in has none, whatever the call says: the history could not name them."""
    return principal.user.role if principal.user is not None and principal.user.sub else ""
