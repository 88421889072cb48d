"""What a worker process itself wrote down: one line a moment, in a file that survives any kill.

The handler of a worker under test calls `Journal.write`; each line goes out in one `write(2)` with O_APPEND, so a SIGKILL
loses none that was written and mixes none. The time is that of the machine, which all processes of a test share.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from support.invariants import Evidence, most_at_once

__all__ = ["Entry", "Journal", "handler_intervals", "journal_violations", "read_journals"]

#: How a handler's time ends: it came to its end, or it was interrupted.
ENDS = ("end", "stopped")


class Entry(NamedTuple):
    at: float
    worker: str
    #: `begin`, `step`, `end` or `stopped`.
    what: str
    job_id: str
    run: int
    step: str = ""


class Journal:
    """The writing end, for one worker process."""

    def __init__(self, path: Path, worker: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._worker = worker

    def write(self, what: str, job_id: str, run: int, step: str = "") -> None:
        line = f"{time.time():.6f}\t{self._worker}\t{what}\t{job_id}\t{run}\t{step}\n"
        os.write(self._file, line.encode())


def read_journals(*paths: Path) -> list[Entry]:
    """The entries of all of them, in the order of time."""
    entries = []
    for path in paths:
        for line in path.read_text().splitlines() if path.exists() else ():
            at, worker, what, job_id, run, step = line.split("\t")
            entries.append(Entry(float(at), worker, what, job_id, int(run), step))
    return sorted(entries)


def handler_intervals(entries: Iterable[Entry]) -> dict[str, list[tuple[float, float, str]]]:
    """Job → when its handlers ran, and where. Those that were killed with their worker have no end and are left out."""
    begun: dict[tuple[str, str], float] = {}
    intervals = defaultdict[str, list[tuple[float, float, str]]](list)
    for entry in entries:
        if entry.what == "begin":
            begun[entry.worker, entry.job_id] = entry.at
        elif entry.what in ENDS and (entry.worker, entry.job_id) in begun:
            start = begun.pop((entry.worker, entry.job_id))
            intervals[entry.job_id].append((start, entry.at, entry.worker))
    return intervals


def journal_violations(
    entries: Sequence[Entry], evidence: Evidence, max_running: dict[str, int] | None = None
) -> list[str]:
    """Where the journals and the rows contradict each other; `max_running` by queue, for queues that were in the journals.

    A job that succeeded must have come to its end in some handler (I1, I3); two handlers of one job never run at the same
    time (I2), and no more handlers of a queue than may (I7).
    """
    return [*_unheard(entries, evidence), *_overlaps(entries), *_crowds(entries, evidence, max_running or {})]


def _unheard(entries: Sequence[Entry], evidence: Evidence) -> Iterator[str]:
    ended = {entry.job_id for entry in entries if entry.what == "end"}
    for job in evidence.jobs.values():
        if job.state == "succeeded" and job.id not in ended:
            yield f"I3 {job.id}: succeeded, and no handler came to its end"


def _overlaps(entries: Sequence[Entry]) -> Iterator[str]:
    for job_id, intervals in handler_intervals(entries).items():
        if most_at_once((start, end) for start, end, _ in intervals) > 1:
            yield f"I2 {job_id}: two handlers at once: {intervals}"


def _crowds(entries: Sequence[Entry], evidence: Evidence, max_running: dict[str, int]) -> Iterator[str]:
    by_queue = defaultdict[str, list[tuple[float, float]]](list)
    for job_id, intervals in handler_intervals(entries).items():
        if job := evidence.jobs.get(job_id):
            by_queue[job.queue] += [(start, end) for start, end, _ in intervals]
    for queue, most in max_running.items():
        if (seen := most_at_once(by_queue[queue])) > most:
            yield f"I7 queue {queue}: {seen} handlers at once, and {most} may run"
