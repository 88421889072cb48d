"""Jobs as the client returns them, for tests of what is shown: everything empty that a test does not name."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

from jobline.client import Job, JobState

CREATED = datetime(2026, 11, 22, 3, 0, 0, tzinfo=UTC)

_EMPTY = Job(
    id="",
    queue="q1",
    kind="k",
    owner="",
    state=JobState.PENDING,
    priority=0,
    run_at=None,
    seq=0,
    concurrency_key="",
    idempotency_key="",
    correlation_id="",
    labels={},
    payload_json="",
    result_json="",
    error=None,
    attempt=0,
    max_attempts=3,
    progress=None,
    created_at=CREATED,
    started_at=None,
    finished_at=None,
    updated_at=None,
    cancel_requested_at=None,
    lease=None,
    position=0,
    input_items=0,
)


def job_value(job_id: str, state: JobState, **fields: Any) -> Job:
    """A job of queue `q1`, made at CREATED, with three attempts."""
    return dataclasses.replace(_EMPTY, id=job_id, state=state, **fields)
