"""What tests of the DatabaseQueue library have in common: queue objects, jobs to put in, and how it words a failure."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from jobline.database_queue import DatabaseQueue, DatabaseQueueError
from support.queue_service import QueueServiceUnderTest

__all__ = ["BOTH", "NOBODY", "RECORDS", "failing", "ingest", "new_project", "opened", "vectorize"]

BOTH = ("INGEST_DATA", "VECTORIZE")
RECORDS = [{"id": "r-1", "content": "The first record of all."}, "The second one, a text alone."]
#: The id of no job.
NOBODY = "01890000-0000-7000-8000-000000000000"


def opened(service: QueueServiceUnderTest) -> Iterator[DatabaseQueue]:
    """For fixtures."""
    with DatabaseQueue(service.address, service.operator_token) as queue:
        yield queue


def new_project() -> str:
    return f"p-{uuid.uuid4().hex[:8]}"


def vectorize(queue: DatabaseQueue, **terms: Any) -> str:
    """The id of a job that embeds a project of its own."""
    return queue.enqueue("VECTORIZE", {"projectId": new_project()}, **terms)


def ingest(queue: DatabaseQueue, **terms: Any) -> str:
    """The id of a job that loads two records."""
    return queue.enqueue("INGEST_DATA", {"projectId": new_project(), "records": RECORDS}, **terms)


def failing(act: str, words: str = "") -> Any:
    """The block fails as the specification words it, with these words in the cause."""
    return pytest.raises(DatabaseQueueError, match=f"^Failed to {act}: .*{words}")
