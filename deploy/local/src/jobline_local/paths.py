"""Where the embedded stack keeps things: one object that knows every path below the data directory.

Only the standard library is imported here, so that `make clean` can use it without the virtual environment.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from jobline_local.errors import StackError
from jobline_local.server_user import ServerUser

RELOCATED_ROOT = Path("/var/lib/jobline")
"""Parent of the server files of root's stacks whose checkout or data directory the server account cannot enter."""


@dataclass(frozen=True)
class DataDir:
    """The data directory of one stack. `root` is absolute; the folder need not exist yet."""

    root: Path

    @classmethod
    def at(cls, path: Path) -> "DataDir":
        """The data directory at `path`, made absolute against the current folder."""
        return cls(Path(os.path.abspath(path)))

    @property
    def lock_file(self) -> Path:
        return self.root / "lock"

    @property
    def secrets_file(self) -> Path:
        return self.root / "secrets.json"

    @property
    def endpoints_file(self) -> Path:
        return self.root / "endpoints.json"

    @property
    def processes_file(self) -> Path:
        return self.root / "processes.json"

    @property
    def logs(self) -> Path:
        return self.root / "log"

    @property
    def files(self) -> tuple[Path, ...]:
        """Everything the stack itself puts into the data directory, besides the folders `logs` and `servers`."""
        return (self.lock_file, self.secrets_file, self.endpoints_file, self.processes_file)

    @property
    def servers(self) -> Path:
        """Files of PostgreSQL and Valkey: a folder, or a link to `relocated`."""
        return self.root / "servers"

    @property
    def relocated(self) -> Path:
        """Where the server files go when the server account cannot enter this data directory."""
        return RELOCATED_ROOT / hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]

    def create(self) -> None:
        """Makes the folder. Nobody else can list it; root's may be entered, because the server account must pass.

        A folder that was there before keeps its mode: it may be somebody's home.
        """
        if not self.root.exists():
            self.root.mkdir(parents=True)
            self.root.chmod(0o711 if os.geteuid() == 0 else 0o700)
        self.logs.mkdir(mode=0o700, exist_ok=True)

    def place_servers(self, user: ServerUser | None, *, reachable: bool) -> Path:
        """Makes the folder of the server files and returns its real path.

        It lies in the data directory, except when `user` cannot enter that, or the programs are not `reachable` for
        it: then it is `relocated`, with a link to it in the data directory. A choice once made is kept.

        Raises:
            StackError: the link belongs to another data directory (a copied or moved one).
        """
        if self.servers.is_symlink():
            return self._follow_link()
        if user is None or self.servers.is_dir() or (reachable and user.can_enter(self.root)):
            _make_passable(self.servers)
            return self.servers
        self._make_relocated()
        self.servers.symlink_to(self.relocated)
        return self.relocated

    def _follow_link(self) -> Path:
        target = self.servers.readlink()
        if target != self.relocated:
            raise StackError(
                f"{self.servers} points to {target}, which belongs to another data directory: this one was copied or "
                f"moved. Remove the link to start empty, or move that folder to {self.relocated} and link it"
            )
        self._make_relocated()
        return self.relocated

    def _make_relocated(self) -> None:
        _make_passable(RELOCATED_ROOT)
        _make_passable(self.relocated)


def _make_passable(folder: Path) -> None:
    """Makes a folder that everybody may pass through and nobody else may list, whatever the umask."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711)
