"""The journal of a worker under test: what its handlers did, in their own words, one JSON object a line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Entry", "Journal"]


@dataclass(frozen=True)
class Entry:
    """A line. `event` is start, step, cancel or finish; `at` is Unix time in seconds."""

    event: str
    job: str
    attempt: int
    kind: str
    at: float
    #: Of a step its name; of a cancel its reason; of a finish the outcome.
    detail: str = ""


class Journal:
    """Reads a journal file that a worker appends to. A line that is half written is not there yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def entries(self, *, event: str = "", job: str = "", detail: str = "") -> list[Entry]:
        whole, _, _ = self.path.read_text("utf-8").rpartition("\n")
        found = (Entry(**json.loads(line)) for line in whole.splitlines())
        return [
            entry
            for entry in found
            if event in ("", entry.event) and job in ("", entry.job) and detail in ("", entry.detail)
        ]
