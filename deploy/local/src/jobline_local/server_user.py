"""Which account the embedded servers run as.

PostgreSQL refuses to run as root, so root hands both servers to `nobody`; anybody else runs them as themselves.
"""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from jobline_local.errors import StackError


@dataclass(frozen=True)
class ServerUser:
    """An unprivileged account, without supplementary groups."""

    uid: int
    gid: int

    def can_enter(self, directory: Path) -> bool:
        """Whether this account may traverse every folder from / down to `directory` (links resolved).

        Permission bits decide; an access control list that grants more is not looked at, which is the safe side.
        """
        resolved = directory.resolve()
        return all(self._may_search(folder) for folder in (resolved, *resolved.parents))

    def _may_search(self, folder: Path) -> bool:
        info = folder.stat()
        if info.st_uid == self.uid:
            return bool(info.st_mode & stat.S_IXUSR)
        if info.st_gid == self.gid:
            return bool(info.st_mode & stat.S_IXGRP)
        return bool(info.st_mode & stat.S_IXOTH)


def server_user() -> ServerUser | None:
    """The account for the servers when this process is root; None when they simply run as the caller.

    Raises:
        StackError: root, and the system has no account `nobody`.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise StackError(
            "PostgreSQL does not run as root and this system has no account 'nobody' to run it as: "
            "start Jobline as an ordinary user"
        ) from None
    return ServerUser(uid=entry.pw_uid, gid=entry.pw_gid)
