"""`make clean`: removes a data directory and the server files it points to. Standard library only."""

import contextlib
import fcntl
import os
import shutil
import sys
from pathlib import Path

from jobline_local.paths import DataDir


def clean(data: DataDir) -> None:
    """Removes the stack's data for good.

    Raises:
        BlockingIOError: a stack is running on it.
    """
    if not data.root.is_dir():
        return
    with data.lock_file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if data.servers.is_symlink():
            if data.servers.readlink() == data.relocated:
                shutil.rmtree(data.relocated, ignore_errors=True)
                _remove_if_empty(data.relocated.parent)
            data.servers.unlink()
        for folder in (data.servers, data.logs):
            shutil.rmtree(folder, ignore_errors=True)
        for file in data.files:
            file.unlink(missing_ok=True)
    _remove_if_empty(data.root)


def _remove_if_empty(folder: Path) -> None:
    """Removes the folder unless somebody else's files are in it, too."""
    with contextlib.suppress(OSError):
        folder.rmdir()


def main() -> None:
    """Cleans the data directory that the environment names."""
    data = DataDir.at(Path(os.environ.get("JOBLINE_DATA_DIR") or ".jobline"))
    try:
        clean(data)
    except BlockingIOError:
        sys.exit(f"a stack is running on {data.root}: stop it first")


if __name__ == "__main__":
    main()
