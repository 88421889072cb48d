"""A job's input: a list of JSON values that is larger than a payload may be, in parts beside the job's row."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

#: Bytes of one chunk on its way in, and of one part as it is stored.
MAX_CHUNK_BYTES = 512 * 1024
#: Bytes of all chunks of a job.
MAX_INPUT_BYTES = 256 * 1024 * 1024


class InputPart(NamedTuple):
    """Some values of an input that follow each other; their numbers begin at `first_item`."""

    number: int
    first_item: int
    items: int
    #: A JSON array of so many values.
    data: str


@dataclass(frozen=True)
class StagedInput:
    """An input that is stored and belongs to no job yet."""

    staging_id: str
    parts: int
    items: int
    #: Hex SHA-256 over the values, however they were spelled and cut into chunks.
    digest: str


class InputStore(Protocol):
    """Where inputs are kept. Ids are UUID texts."""

    @property
    def room(self) -> AbstractAsyncContextManager[object]:
        """To be held while an input is taken in: each keeps up to a part and a chunk in memory, for as long as it likes."""

    async def stage(self, staging_id: str, part: InputPart) -> None:
        """Stores a part for nobody to see; it stays when this returns."""

    async def discard(self, staging_id: str) -> None:
        """Forgets what is staged under an id. What a job has taken over stays."""

    async def items(self, job_id: str) -> int | None:
        """How many values the job's input has, 0 for one without; None: there is no such job."""

    async def part_with(self, job_id: str, item: int) -> InputPart | None:
        """The part that holds the value of this number."""

    async def part(self, job_id: str, number: int) -> InputPart | None: ...
