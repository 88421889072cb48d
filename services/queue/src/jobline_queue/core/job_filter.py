"""How jobs are read: what a list shows, and the reader that the RPCs are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

JobRow = Mapping[str, Any]


@dataclass(frozen=True)
class JobFilter:
    """None and empty mean "any". `owner` and `producer` also carry the caller's rights."""

    queue: str = ""
    kind: str = ""
    owner: str | None = None
    producer: str | None = None
    states: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    created_after: datetime | None = None
    created_before: datetime | None = None
    #: Jobs with these ids only.
    ids: Sequence[str] | None = None


class JobReader(Protocol):
    """Reads of jobs; rows have the columns of `jobline.jobs`."""

    async def page(self, where: JobFilter, after: str | None, size: int, *, payloads: bool = False) -> list[JobRow]:
        """Up to `size` jobs with ids below `after`, newest first."""

    async def get(self, job_id: str) -> JobRow | None: ...

    async def attempts(self, job_id: str) -> list[JobRow]: ...

    async def steps(self, job_id: str) -> list[JobRow]: ...

    async def events(self, job_id: str) -> list[JobRow]: ...
