"""Where records come from and go to: the input of a job, and the project that it loads or embeds."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from jobline.worker import Run
from jobline_worker.providers.embeddings import Vector

__all__ = ["Batch", "Chunk", "NewRecord", "Place", "RecordStore", "StoredRecord"]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive values of a job's input; `first_item` is the number of the first, from 0."""

    first_item: int
    values: Sequence[Any]


@dataclass(frozen=True, slots=True)
class NewRecord:
    """What is stored of one value. `ids` are all that it carries, its own first; `metadata` is the value as JSON."""

    content: str
    category: str
    ids: tuple[str, ...]
    metadata: bytes
    created_by_id: str
    created_by_name: str
    created_by_email: str
    created_at: datetime | None
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Batch:
    """What was made of the next `items` values from `first_item` on: records, and values without any of the keywords."""

    first_item: int
    items: int
    records: Sequence[NewRecord]
    mismatches: int

    @property
    def end(self) -> int:
        """The number of the value behind its last."""
        return self.first_item + self.items


@dataclass(frozen=True, slots=True)
class Place:
    """How many values of the input are done, and what became of them so far."""

    done: int = 0
    saved: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record of the job's project that has no embedding yet."""

    id: str
    content: str


class RecordStore(Protocol):
    """On behalf of a run: its lease is the right to ask, and nothing is stored for one that has lost it.

    Each call raises RunStopped if the run has lost its lease, and TransientError or PermanentError with the code INTERNAL
    if there is no answer.
    """

    def read(self, run: Run, first_item: int) -> AsyncGenerator[Chunk, None]:
        """The input of the run's job, from one of its values on, in the chunks in which it is stored. To be closed."""
        ...

    async def save(self, run: Run, batch: Batch) -> Place:
        """Stores a batch in one transaction with the place behind it. What is done already is not stored again."""
        ...

    async def unembedded(self, run: Run, limit: int) -> list[StoredRecord]:
        """At most so many records, those stored first."""
        ...

    async def store(self, run: Run, records: Sequence[StoredRecord], vectors: Sequence[Vector]) -> None:
        """Stores each record's vector."""
        ...
