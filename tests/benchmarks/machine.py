"""Which machine the figures come from: without that they mean nothing."""

from __future__ import annotations

import os
import platform
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

__all__ = ["Machine", "commit_ms"]

_PROBES = 100


@dataclass(frozen=True)
class Machine:
    """Facts that the figures depend on."""

    cores: int
    processor: str
    memory_gib: float
    system: str
    python: str
    postgres: str
    load: tuple[float, float, float]

    @classmethod
    def here(cls, database_url: str) -> Machine:
        """This machine, with its load averages as of now."""
        with psycopg.connect(database_url) as connection:
            row = connection.execute("SHOW server_version").fetchone()
        return cls(
            cores=len(psutil.Process().cpu_affinity() or ()) if hasattr(psutil.Process, "cpu_affinity") else _cores(),
            processor=_processor(),
            memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
            system=f"{platform.system()} {platform.release()}",
            python=platform.python_version(),
            postgres=str(row[0]) if row else "",
            load=os.getloadavg(),
        )


def commit_ms(database_url: str) -> float:
    """The median time of a synced commit now, in milliseconds; disks of virtual machines vary from minute to minute."""
    times = []
    with psycopg.connect(database_url, autocommit=True) as connection:
        for _ in range(_PROBES):
            began = time.perf_counter()
            connection.execute("SELECT pg_logical_emit_message(true, 'probe', 'x')")
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def _cores() -> int:
    return os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
