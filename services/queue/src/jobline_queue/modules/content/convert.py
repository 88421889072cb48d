"""Between the contract's messages and the module: filters in, rows out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from jobline.v1 import content_service_pb2 as pb
from jobline_queue.core.errors import invalid
from jobline_queue.modules.content.job import ANALYSIS, GENERATION
from jobline_queue.modules.content.store import Row
from jobline_queue.rpc.convert import timestamp

Number = TypeVar("Number", pb.ContentJobType.ValueType, pb.ContentJobStatus.ValueType)

TYPES = {
    ANALYSIS: pb.CONTENT_JOB_TYPE_WEBSITE_ANALYSIS,
    GENERATION: pb.CONTENT_JOB_TYPE_CONTENT_GENERATION,
}
STATUSES = {
    "queued": pb.CONTENT_JOB_STATUS_QUEUED,
    "running": pb.CONTENT_JOB_STATUS_RUNNING,
    "succeeded": pb.CONTENT_JOB_STATUS_SUCCEEDED,
    "failed": pb.CONTENT_JOB_STATUS_FAILED,
}
#: Of the core's states, those that the surface calls otherwise.
STATE_WORDS = {"pending": "queued", "cancelled": "failed"}


def words(field: str, numbers: Sequence[Number], known: Mapping[str, Number]) -> list[str]:
    """Raises InvalidField for a number that stands for no word."""
    by_number = {number: word for word, number in known.items()}
    for index, number in enumerate(numbers):
        if number not in by_number:
            raise invalid(f"{field}[{index}]", f"expected one of {', '.join(known)}")
    return [by_number[number] for number in numbers]


def job_of(row: Row) -> pb.ContentJob:
    """A row without `result` is one of a list."""
    return pb.ContentJob(
        id=row["id"],
        type=TYPES[row["type"]],
        status=STATUSES[row["status"]],
        progress=row["progress"],
        current_step=row["current_step"] or "",
        estimated_seconds_remaining=row["estimated_seconds_remaining"],
        error=row["error"] or "",
        error_code=row["error_code"] or "",
        result_json=row.get("result") or "",
        created_at=timestamp(row["created_at"]),
        updated_at=timestamp(row["updated_at"]),
    )


def organization_of(row: Row) -> pb.Organization:
    return pb.Organization(
        id=row["id"],
        website_url=row["website_url"],
        analysis_json=row["analysis"],
        created_at=timestamp(row["created_at"]),
        updated_at=timestamp(row["updated_at"]),
    )


def cta_of(row: Row) -> pb.CallToAction:
    return pb.CallToAction(
        id=row["id"],
        text=row["cta_text"],
        type=row["cta_type"],
        href=row["href"],
        placement=row["placement"],
        conversion_potential=row["conversion_potential"],
        data_source=row["data_source"],
    )


def post_of(row: Row) -> pb.Post:
    return pb.Post(
        id=row["id"],
        user_id=row["user_id"],
        organization_id=row["organization_id"],
        title=row["title"],
        content=row["content"],
        meta_description=row["meta_description"],
        status=row["status"],
        word_count=row["word_count"],
        seo_score_prediction=row["seo_score_prediction"],
        created_at=timestamp(row["created_at"]),
    )
