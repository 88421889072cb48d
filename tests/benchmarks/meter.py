"""What a measurement costs: CPU of each process, commits, WAL, and the share of HOT updates.

CPU and the WAL position are exact at any moment. PostgreSQL publishes its counters of commits and updates at most once a
second and when a session ends, so those are read after the queue service has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg

from benchmarks.house import House

__all__ = ["Costs", "Meter"]


@dataclass(frozen=True)
class Costs:
    """Per job: CPU in microseconds by process, commits, bytes of WAL; and which share of all updates was HOT."""

    cpu: Mapping[str, float]
    commits: float
    wal_bytes: float
    hot_share: float | None


@dataclass(frozen=True)
class _Reading:
    cpu: Mapping[str, float]
    wal: int


@dataclass(frozen=True)
class _Counters:
    commits: int
    updates: int
    hot_updates: int


class Meter:
    """Reads the costs between `start` and `stop`. `processes` names the numbers of the processes to watch."""

    def __init__(self, house: House, database_url: str, processes: Mapping[str, Iterable[int]]) -> None:
        self._superuser_url = house.postgres.superuser_url
        self._database = urlsplit(database_url).path.lstrip("/")
        self._processes = {name: [psutil.Process(pid) for pid in pids] for name, pids in processes.items()}
        self._postmaster = psutil.Process(house.postmaster)
        self._counters = self._read_counters()
        self._begin = self._end = self._read()

    def start(self) -> None:
        self._counters = self._read_counters()
        self._begin = self._read()

    def stop(self) -> None:
        self._end = self._read()

    def total_cpu(self, jobs: int) -> float:
        """Microseconds a job of all processes together; unlike a rate it hardly depends on what else the machine does."""
        return sum(self._cpu(jobs).values())

    def costs(self, jobs: int) -> Costs:
        """To be called after the queue service has ended."""
        after, before = self._read_counters(), self._counters
        updates = after.updates - before.updates
        return Costs(
            cpu=self._cpu(jobs),
            commits=(after.commits - before.commits) / jobs,
            wal_bytes=(self._end.wal - self._begin.wal) / jobs,
            hot_share=(after.hot_updates - before.hot_updates) / updates if updates else None,
        )

    def _cpu(self, jobs: int) -> Mapping[str, float]:
        return {name: (self._end.cpu[name] - self._begin.cpu[name]) * 1e6 / jobs for name in self._begin.cpu}

    def _read(self) -> _Reading:
        cpu = {name: sum(map(_used, processes)) for name, processes in self._processes.items()}
        # What a backend used counts for the postmaster once it has ended.
        backends = sum(map(_used_so_far, self._postmaster.children(recursive=True)))
        ended = self._postmaster.cpu_times()
        cpu["postgres"] = _used(self._postmaster) + backends + ended.children_user + ended.children_system
        with psycopg.connect(self._superuser_url, autocommit=True) as connection:
            row = connection.execute("SELECT CAST(pg_current_wal_insert_lsn() - '0/0' AS bigint)").fetchone()
        assert row is not None
        return _Reading(cpu, int(row[0]))

    def _read_counters(self) -> _Counters:
        """Commits are read from another database, so that reading them adds none."""
        commits = "SELECT xact_commit FROM pg_stat_database WHERE datname = %s"
        updates = "SELECT coalesce(sum(n_tup_upd), 0), coalesce(sum(n_tup_hot_upd), 0) FROM pg_stat_user_tables"
        with psycopg.connect(self._superuser_url, autocommit=True) as connection:
            first = connection.execute(commits, (self._database,)).fetchone()
        inside = urlunsplit(urlsplit(self._superuser_url)._replace(path=f"/{self._database}"))
        with psycopg.connect(inside, autocommit=True) as connection:
            second = connection.execute(updates).fetchone()
        assert first is not None
        assert second is not None
        return _Counters(int(first[0]), int(second[0]), int(second[1]))


def _used(process: psutil.Process) -> float:
    """CPU seconds. Raises psutil.NoSuchProcess: a service that is gone cannot be measured."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _used_so_far(backend: psutil.Process) -> float:
    """The same of a backend, which may end while it is looked at."""
    try:
        return _used(backend)
    except psutil.NoSuchProcess:
        return 0.0
