"""Jobs as CSV (RFC 4180) that is safe to open in a spreadsheet.

Contacts, subjects and errors come from strangers, and a spreadsheet runs a cell that begins like a formula. Such a
cell gets an apostrophe in front, which spreadsheets read as "this is text" (OWASP, CSV Injection).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any, ClassVar

from jobline.v1 import communication_service_pb2 as pb
from jobline_gateway.surfaces.communications import convert
from jobline_gateway.surfaces.communications.streamed_jobs import Batches, StreamedJobs

__all__ = ["CsvResponse"]

COLUMNS = (
    "id",
    "communicationId",
    "status",
    "priority",
    "channel",
    "recipientContact",
    "subject",
    "scheduledAt",
    "startedAt",
    "completedAt",
    "attempts",
    "maxAttempts",
    "lastError",
    "createdAt",
    "updatedAt",
)
#: First characters of what a spreadsheet takes for a formula, also in their full width, or skips on its way to one.
_DANGEROUS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n")


class CsvResponse(StreamedJobs):
    """A table of all jobs."""

    media_type = "text/csv"
    extra_headers: ClassVar[Mapping[str, str]] = {
        "content-disposition": 'attachment; filename="communication-queue.csv"'
    }

    @staticmethod
    async def written(batches: Batches) -> AsyncGenerator[str, None]:
        yield _lines([COLUMNS])
        async for batch in batches:
            yield _lines(map(_cells, batch))


def _lines(rows: Iterable[Iterable[object]]) -> str:
    table = io.StringIO(newline="")
    csv.writer(table, lineterminator="\r\n").writerows(rows)
    return table.getvalue()


def _cells(message: pb.Message) -> list[str]:
    job: dict[str, Any] = convert.job(message).model_dump(mode="json", by_alias=True)
    known = {**json.loads(message.payload), **job}
    return [_safe(known.get(column)) for column in COLUMNS]


def _safe(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_DANGEROUS) else text
