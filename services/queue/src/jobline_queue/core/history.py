"""The history of acts: which of its lines a list shows, and the log that the RPCs are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from jobline_queue.core.job_filter import JobRow


@dataclass(frozen=True)
class EventFilter:
    """Empty means "any"."""

    queue: str = ""
    actor: str = ""
    name: str = ""
    #: Also what the service did by itself.
    with_system: bool = False


class History(Protocol):
    """Rows have the columns of `jobline.events`."""

    async def page(self, where: EventFilter, below: int | None, size: int) -> list[JobRow]:
        """Up to `size` lines with ids below `below`, newest first. Raises TooBroad."""

    async def begin(self, name: str, queue: str, actor: str, detail: str) -> int:
        """Stores the line of an act on many jobs that is about to begin; its id."""

    async def amend(self, event_id: int, detail: str) -> None:
        """Says what became of it."""
