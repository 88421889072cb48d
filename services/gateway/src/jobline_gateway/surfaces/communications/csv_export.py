"""Jobs as CSV (RFC 4180) that is safe to open in a spreadsheet.

Contacts, subjects and errors come from strangers, and a spreadsheet runs a cell that begins like a formula. Such a
cell gets an apostrophe in front, which spreadsheets read as "this is text" (OWASP, CSV Injection).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from jobline.v1 import communication_service_pb2 as pb
from jobline_gateway.surfaces.communications import convert

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
#: First characters of what a spreadsheet takes for a formula, or skips on its way to one.
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")


class CsvResponse(StreamingResponse):
    """A table of all jobs in `batches`, one batch in memory at a time. Ends the export when the client hangs up."""

    media_type = "text/csv"

    def __init__(self, batches: AsyncGenerator[pb.ExportMessagesResponse, None], first: Iterable[pb.Message]) -> None:
        self._batches = batches
        self._rows = _rows(batches, first)
        disposition = {"content-disposition": 'attachment; filename="communication-queue.csv"'}
        super().__init__(self._rows, headers=disposition)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._batches), aclosing(self._rows):
            await super().__call__(scope, receive, send)


async def _rows(
    batches: AsyncGenerator[pb.ExportMessagesResponse, None], first: Iterable[pb.Message]
) -> AsyncGenerator[str, None]:
    yield _lines([COLUMNS])
    yield _lines(map(_cells, first))
    async for batch in batches:
        yield _lines(map(_cells, batch.messages))


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
