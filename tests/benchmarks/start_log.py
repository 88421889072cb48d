"""The one thing a no-op job does: it appends 16 bytes to a file.

So starts are counted by the size of a file, without a question to the service or the database that are being measured.
Both times are seconds of the system-wide monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

_ENTRY = struct.Struct("<dd")


@dataclass(frozen=True, slots=True)
class Start:
    """One execution of a handler; `sent` is what the payload said."""

    sent: float
    started: float


class StartLog:
    """A file that any number of worker processes append to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def record(self, sent: float, started: float) -> None:
        os.write(self._file, _ENTRY.pack(sent, started))

    def count(self) -> int:
        return self.path.stat().st_size // _ENTRY.size

    def entries(self) -> list[Start]:
        """In the order in which they were written."""
        return [Start(*entry) for entry in _ENTRY.iter_unpack(self.path.read_bytes())]

    def close(self) -> None:
        os.close(self._file)
