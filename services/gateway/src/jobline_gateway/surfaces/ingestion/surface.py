"""The paths of the database queue, its envelope `{"error"}`, its doors and its words for what is refused.

It is served as several surfaces, because bodies of different sizes are welcome at different paths, and because the
workers' endpoints are for a cron, not for users.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jobline_gateway.problems import FieldError, Problem
from jobline_gateway.surface import MEBIBYTE, Door, Surface

__all__ = [
    "ADMIN",
    "CRON",
    "FILE_TOO_LARGE",
    "INGEST",
    "INGESTION",
    "JOB_ID_REQUIRED",
    "MAX_FILE",
    "NOT_CONFIGURED",
    "NO_JOB",
    "NO_PROJECT",
    "PROJECTS",
    "PROJECT_EXISTS",
    "PROJECT_ID_REQUIRED",
    "SURFACES",
    "UNAUTHORIZED",
    "WORKERS",
    "file_too_large",
]

PROJECTS = "/api/projects"
INGEST = "/api/ingest"
ADMIN = "/api/admin/queue"
WORKERS = "/api/workers"

UNAUTHORIZED = "Unauthorized"
NOT_CONFIGURED = "Configuration error"
NO_JOB = "Job not found"
NO_PROJECT = "Project not found"
PROJECT_EXISTS = "Project already exists"
JOB_ID_REQUIRED = "Job ID is required"
PROJECT_ID_REQUIRED = "Project ID is required"
FILE_TOO_LARGE = "File too large. Maximum size is 4MB"

#: Bytes of a CSV file, and of what may stand around it in its form.
MAX_FILE = 4 * MEBIBYTE
FORM_ALLOWANCE = MEBIBYTE // 2
MAX_JSON = 16 * MEBIBYTE

#: The contract's fields under the names that this surface gives them; the others are called the same.
_NAMES: Mapping[str, str] = {
    "project_id": "projectId",
    "filter_keywords": "filterKeywords",
    "generate_embeddings": "generateEmbeddings",
    "source": "url",
}


def file_too_large() -> Problem:
    return Problem(413, FILE_TOO_LARGE)


def _envelope(status: int, text: str) -> Mapping[str, Any]:
    return {"error": text}


def _envelope_of_files(status: int, text: str) -> Mapping[str, Any]:
    return _envelope(status, FILE_TOO_LARGE if status == 413 else text)


def _invalid(errors: Sequence[FieldError]) -> Problem:
    """400 about the first bad field."""
    first = errors[0]
    name, *inner = [part for part in first.loc if part != "body"] or ["body"]
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in inner)
    return Problem(400, f"{_NAMES.get(str(name), name)}{where}: {first.msg}")


INGESTION = Surface(
    prefixes=(PROJECTS, INGEST, ADMIN),
    envelope=_envelope,
    invalid=_invalid,
    refusals={
        "JOB_NOT_FOUND": lambda _: Problem(404, NO_JOB),
        "PROJECT_NOT_FOUND": lambda _: Problem(404, NO_PROJECT),
        "PROJECT_EXISTS": lambda _: Problem(409, PROJECT_EXISTS),
    },
    door=Door(missing=UNAUTHORIZED, rejected=lambda _: UNAUTHORIZED),
)

#: Its own door is cron.py.
CRON = replace(INGESTION, prefixes=(WORKERS,), door=None)

#: In the order in which they are to be looked for.
SURFACES = (
    replace(INGESTION, prefixes=(f"{INGEST}/csv",), body_limit=MAX_FILE + FORM_ALLOWANCE, envelope=_envelope_of_files),
    replace(INGESTION, prefixes=(f"{INGEST}/api",), body_limit=MAX_JSON),
    INGESTION,
    CRON,
)
