"""Remembers which processes a stack has started, so that the next start can end what a killed one left behind.

On Linux the kernel already ends the children of a dead stack; this also covers their own children and other systems.
"""

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

import psutil

from jobline_local.errors import StackError
from jobline_local.private_file import write_private_json

_SAME_START_SECONDS = 2.0
"""Start times are computed from the boot time and move a little when the clock is set."""
_GRACE_SECONDS = 3.0
"""Time for processes that are already stopping."""
_END_SECONDS = 10.0


class ProcessRecord:
    """The file of started processes: name → process number and start time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._started: dict[str, dict[str, float]] = {}

    def add(self, name: str, pid: int) -> None:
        """Notes a process that has just been started; it replaces an earlier one of that name."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._started[name] = {"pid": pid, "start": psutil.Process(pid).create_time()}
            write_private_json(self._path, self._started)

    def clear(self) -> None:
        """Forgets everything: the stack has stopped."""
        self._path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Ends every process that an earlier stack noted here, with all others of its session."""
        try:
            noted = json.loads(self._path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return
        leftovers = [process for entry in noted.values() for process in _session_of(entry)]
        _, alive = psutil.wait_procs(leftovers, timeout=_GRACE_SECONDS)
        end(alive)
        self.clear()


def end(processes: Iterable[psutil.Process]) -> None:
    """Kills these processes and waits until none of them runs.

    Raises:
        StackError: one did not go within 10 seconds.
    """
    ending = list(processes)
    for process in ending:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _, alive = psutil.wait_procs(ending, timeout=_END_SECONDS)
    if stuck := [str(process.pid) for process in alive if not is_zombie(process)]:
        raise StackError(f"processes of an earlier stack do not end: {', '.join(stuck)}")


def is_zombie(process: psutil.Process) -> bool:
    """Whether the process has ended and only its number is left, because nobody asked for its exit code."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _session_of(entry: dict[str, float]) -> list[psutil.Process]:
    """The living processes of the session that the noted process led.

    The number may belong to a stranger by now. A session keeps its number reserved while it has members: so either the
    leader is alive and started when it was noted, or it is gone and every member started after it.
    """
    leader, started = int(entry["pid"]), entry["start"]
    with contextlib.suppress(psutil.NoSuchProcess):
        if abs(psutil.Process(leader).create_time() - started) > _SAME_START_SECONDS:
            return []
    return [process for process in psutil.process_iter() if _belongs(process, leader, started)]


def _belongs(process: psutil.Process, leader: int, started: float) -> bool:
    try:
        of_session = os.getsid(process.pid) == leader
        return of_session and process.create_time() >= started - _SAME_START_SECONDS and not is_zombie(process)
    except (psutil.Error, OSError):
        return False
