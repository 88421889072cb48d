"""Who is measured. What each is set to stands in its adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from benchmarks.peers.phases import Phase

__all__ = ["CONTENDERS", "JOBLINE", "Contender", "Runtime"]


class Runtime(StrEnum):
    """Where an adapter runs: an environment below the folder of `Environments`, or ours."""

    OURS = "ours"
    PYTHON = "peers"
    OBAN = "peers-oban"
    NODE = "node"


@dataclass(frozen=True)
class Contender:
    """A queue with its settings; `drain` and `sequential` are numbers of jobs, fewer for those that take long."""

    name: str
    adapter: str
    runtime: Runtime
    drain: int = 20_000
    sequential: int = 2_000
    phases: frozenset[Phase] = frozenset(Phase)
    environment: Mapping[str, str] = field(default_factory=dict)


JOBLINE = Contender("jobline", "run_jobline.py", Runtime.OURS)

#: Ours first: it is measured in every run.
CONTENDERS = (
    JOBLINE,
    Contender("graphile-worker", "run_graphile_worker.mjs", Runtime.NODE),
    Contender("pg-boss", "run_pg_boss.mjs", Runtime.NODE),
    Contender("pgqueuer", "run_pgqueuer.py", Runtime.PYTHON, sequential=500),
    Contender(
        "pgqueuer (1000)",
        "run_pgqueuer.py",
        Runtime.PYTHON,
        phases=frozenset({Phase.DRAIN, Phase.DRAIN_2}),
        environment={"BENCH_BATCH": "1000"},
    ),
    Contender("oban", "run_oban.py", Runtime.OBAN, drain=10_000, sequential=500),
    Contender("procrastinate", "run_procrastinate.py", Runtime.PYTHON, drain=3_000, sequential=500),
)
