"""Finding a researcher's papers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Paper", "PaperSource"]


@dataclass(frozen=True)
class Paper:
    """One paper. `published_date` is ISO 8601 (the day of the first version), `year` its year."""

    title: str
    abstract: str
    authors: tuple[str, ...]
    published_date: str
    year: int
    arxiv_url: str


class PaperSource(Protocol):
    async def papers_by(self, author: str, limit: int) -> Sequence[Paper]:
        """At most `limit` papers of the author, a name without titles. Raises TransientError or PermanentError."""
        ...
