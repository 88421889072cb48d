"""On whose behalf a call acts: the verified caller, who may be a user and a session at once, or whom a service names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jobline_queue.core.errors import invalid
from jobline_queue.core.json_text import check_text
from jobline_queue.modules.content.job import MAX_ID, SESSION, USER, owner_rule, user_of
from jobline_queue.rpc.principal import current


class Owners(NamedTuple):
    """Whose jobs, organizations and posts a call reaches. The first one owns what it creates."""

    all: Sequence[str]
    #: Named by a service, so that it may be new.
    named: bool

    @property
    def first(self) -> str:
        return self.all[0]

    @property
    def session(self) -> str | None:
        """The session of a caller who is a user as well."""
        return self.all[1].removeprefix(SESSION) if len(self.all) > 1 else None

    def user(self) -> str:
        """Raises InvalidField for an owner who is no user."""
        user = user_of(self.first)
        if user is None:
            raise invalid("owner", "expected a user")
        return user


def acting_owners(named: str) -> Owners:
    """`named` is the request's `owner`. Raises InvalidField."""
    user = current.get().user
    if user is not None:
        if named:
            raise invalid("owner", "expected nothing where a Caller is sent")
        found = [prefix + name for prefix, name in ((USER, user.sub), (SESSION, user.session)) if name]
        if not found:
            raise invalid("owner", "expected a Caller with a sub or a session")
        return Owners(found, named=False)
    if problem := owner_rule(named):
        raise invalid("owner", problem)
    return Owners([check_text("owner", named, len(SESSION) + MAX_ID)], named=True)
