"""Cuts a job's input into what is stored in one transaction, with what the rules make of each value.

A batch takes the next values until it has a hundred of them or its records would weigh more than a mebibyte, wherever
the chunks of the input end. So its borders depend on the values alone, and no more than a chunk and a batch are held.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any

import orjson

from jobline.records import content_of
from jobline_worker.pipelines.ingestion.rules import Keywords, authorship_of, category_of, ids_of
from jobline_worker.providers.ingestion import Batch, Chunk, NewRecord

__all__ = ["MAX_BYTES", "MAX_ITEMS", "batches"]

MAX_ITEMS = 100
#: Bytes of a batch's texts; a single record may weigh more.
MAX_BYTES = 1024 * 1024


async def batches(chunks: AsyncIterator[Chunk], first_item: int, keywords: Keywords) -> AsyncGenerator[Batch, None]:
    """The batches of the values from `first_item` on; `chunks` may begin before it, but not behind it."""
    draft = _Draft(first_item)
    async for chunk in chunks:
        for value in chunk.values[draft.end - chunk.first_item :]:
            record = _record(value, keywords)
            if not draft.has_room_for(record):
                yield draft.batch()
                draft = _Draft(draft.end)
            draft.add(record)
    if draft.items:
        yield draft.batch()


class _Draft:
    """A batch that is being filled."""

    def __init__(self, first_item: int) -> None:
        self.items = 0
        self._first_item = first_item
        self._records: list[NewRecord] = []
        self._bytes = 0

    @property
    def end(self) -> int:
        return self._first_item + self.items

    def has_room_for(self, record: NewRecord | None) -> bool:
        if self.items == MAX_ITEMS:
            return False
        return record is None or not self._records or self._bytes + _weight(record) <= MAX_BYTES

    def add(self, record: NewRecord | None) -> None:
        self.items += 1
        if record is not None:
            self._records.append(record)
            self._bytes += _weight(record)

    def batch(self) -> Batch:
        return Batch(self._first_item, self.items, tuple(self._records), self.items - len(self._records))


def _record(value: Any, keywords: Keywords) -> NewRecord | None:
    """What is stored of a value; None if its content has none of the keywords."""
    content = content_of(value)
    if not keywords.admit(content):
        return None
    author = authorship_of(value)
    return NewRecord(
        content=content,
        category=category_of(value),
        ids=ids_of(value),
        metadata=orjson.dumps(value),
        created_by_id=author.id,
        created_by_name=author.name,
        created_by_email=author.email,
        created_at=author.created_at,
        updated_at=author.updated_at,
    )


def _weight(record: NewRecord) -> int:
    return len(record.metadata) + sum(map(_bytes, _texts(record)))


def _texts(record: NewRecord) -> Iterator[str]:
    yield record.content
    yield from record.ids
    yield from (record.created_by_id, record.created_by_name, record.created_by_email)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
