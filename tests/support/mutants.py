"""The queue service with one condition taken out, to see a test notice it.

    settings = mutant(tmp_path, Mutation("store/sql/end_runs.sql", " AND j.finished_at IS NULL", ""))
    service = QueueServiceUnderTest(database, tmp_path, **settings)

A mutant is a copy of the package with one text replaced, put before the real one on the path of the new process.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import jobline_queue

__all__ = ["Mutation", "mutant"]


@dataclass(frozen=True)
class Mutation:
    """`old` becomes `new`, wherever it stands in `file` (a path inside the package); it must stand there."""

    file: str
    old: str
    new: str


def mutant(folder: Path, *mutations: Mutation) -> dict[str, str]:
    """The environment of a process that runs the changed service."""
    (source,) = jobline_queue.__path__
    copy = folder / "mutant" / "jobline_queue"
    shutil.copytree(source, copy)
    for mutation in mutations:
        file = copy / mutation.file
        text = file.read_text("utf-8")
        assert mutation.old in text, f"{mutation.file} has no {mutation.old!r}: the fence has changed, change its test"
        file.write_text(text.replace(mutation.old, mutation.new), "utf-8")
    return {"PYTHONPATH": os.pathsep.join([str(copy.parent), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)}
