"""The id of a job in a path. What no job can have is the id of no job: 404, whatever is wrong with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from jobline_gateway.auth import is_text
from jobline_gateway.problems import Problem
from jobline_gateway.service_client import ServiceError

__all__ = ["NO_JOB", "checked_id", "unknown_where_malformed"]

NO_JOB = "Job not found"
MAX_ID = 64


def checked_id(given: str) -> str:
    """The id as the queue service spells it. Raises Problem 404 for what cannot be asked for."""
    if not is_text(given, MAX_ID):
        raise Problem(404, NO_JOB)
    return given.lower()


@asynccontextmanager
async def unknown_where_malformed() -> AsyncIterator[None]:
    """For the block that asks for a job by its id: an id that the queue service finds malformed is Problem 404."""
    try:
        yield
    except ServiceError as error:
        if error.reason == "INVALID_FIELD" and all(path == "id" for path, _ in error.fields):
            raise Problem(404, NO_JOB) from error
        raise
