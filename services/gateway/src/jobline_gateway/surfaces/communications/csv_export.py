"""The jobs of a business as a table. Contacts, subjects and errors come from strangers, so it is made safe to open."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any, ClassVar

from jobline.v1 import communication_service_pb2 as pb
from jobline_gateway.spreadsheet import csv_lines
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


class CsvResponse(StreamedJobs):
    """A table of all jobs."""

    media_type = "text/csv"
    extra_headers: ClassVar[Mapping[str, str]] = {
        "content-disposition": 'attachment; filename="communication-queue.csv"'
    }

    @staticmethod
    async def written(batches: Batches) -> AsyncGenerator[str, None]:
        yield csv_lines([COLUMNS])
        async for batch in batches:
            yield csv_lines(map(_cells, batch))


def _cells(message: pb.Message) -> list[object]:
    job: dict[str, Any] = convert.job(message).model_dump(mode="json", by_alias=True)
    known = {**json.loads(message.payload), **job}
    return [known.get(column) for column in COLUMNS]
