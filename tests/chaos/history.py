"""What the audit log says of one job and of one lease, as the replay gathers it."""

from __future__ import annotations

from dataclasses import dataclass, field

from chaos.audit import Entry

__all__ = ["JobHistory", "Lease"]


@dataclass(slots=True)
class Lease:
    """A lease as it was granted."""

    token: str
    queue: str
    epoch: int
    worker: str
    granted_at: float
    #: When its transaction wrote it.
    at: float
    jobs: tuple[str, ...]


@dataclass(slots=True)
class JobHistory:
    """All that the log says of one job."""

    id: str
    queue: str
    key: str
    tag: str
    seq: int
    run_at: float
    state: str = "pending"
    token: str | None = None
    removed: bool = False
    stored: int = 1
    #: Every lease it was in, and when it left it: None while it has not.
    leases: dict[str, Lease] = field(default_factory=dict)
    left: dict[str, float] = field(default_factory=dict)
    #: The runs whose success was stored; more than one only after a removal.
    succeeded_by: list[str] = field(default_factory=list)
    retried_at: list[float] = field(default_factory=list)
    #: `run_at` and `seq` when it was first claimed: its place in the line.
    first_place: tuple[float, int] = (0.0, 0)
    #: When and in which term it got that place, and whether a retry gave it.
    placed_at: float = 0.0
    placed_in: int = 0
    placed_by_retry: bool = False
    entries: list[Entry] = field(default_factory=list)

    @property
    def first_lease(self) -> Lease:
        """Of a job that was claimed."""
        return next(iter(self.leases.values()))
