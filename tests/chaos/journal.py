"""What a worker's handlers write down while they run, one line an event, before the event can have any effect.

A line is one `write` to a file opened for appending: SIGKILL loses nothing that was written, because the pages belong to
the kernel by then. All times are seconds: `mono` of the monotonic clock that the processes of a machine share, `wall` of
the clock that the database on the same machine reads.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Journal", "Line", "read_journal", "read_journals"]


@dataclass(frozen=True, slots=True)
class Line:
    """One event of one run; the run is named by job and lease token.

    `event` is `start`, `step`, `finish`, `fail`, `snooze` or `stop`; `detail` the step's name, or why.
    """

    worker: str
    mono: float
    wall: float
    event: str
    job: str
    token: str
    number: int
    detail: str

    def __str__(self) -> str:
        return f"{self.wall:.3f} {self.worker} {self.event} run {self.number} lease {self.token[:8]} {self.detail}"


class Journal:
    """One process's file; its name is the worker's."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, event: str, job: str, token: str, number: int, detail: str = "") -> None:
        line = json.dumps([time.monotonic(), time.time(), event, job, token, number, detail])
        os.write(self._file, f"{line}\n".encode())


def read_journals(folder: Path) -> Iterator[Line]:
    """Every line of every worker, each file in its order."""
    for path in sorted(folder.glob("*.journal")):
        yield from read_journal(path)


def read_journal(path: Path, offset: int = 0) -> Iterator[Line]:
    """The lines from a byte offset on."""
    with path.open() as file:
        file.seek(offset)
        for text in file:
            yield Line(path.stem, *json.loads(text))
