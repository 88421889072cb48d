"""Between the contract's messages and the module: ingest calls in, rows out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobline.v1 import ingestion_service_pb2 as pb
from jobline.v1 import job_pb2
from jobline_queue.core.errors import FieldProblem, InvalidField
from jobline_queue.modules.ingestion import job as rules
from jobline_queue.modules.ingestion.job import Ingest
from jobline_queue.modules.ingestion.store import QueueOverview
from jobline_queue.rpc.convert import timestamp

Row = Mapping[str, Any]

TYPES = {rules.TASK: pb.RECORD_TYPE_TASK, rules.FEEDBACK: pb.RECORD_TYPE_FEEDBACK}
TYPE_WORDS = {pb.RECORD_TYPE_UNSPECIFIED: rules.TASK, **{number: word for word, number in TYPES.items()}}
INGEST_STATUSES = {
    "PENDING": pb.INGEST_STATUS_PENDING,
    "PROCESSING": pb.INGEST_STATUS_PROCESSING,
    "QUEUED_FOR_VEC": pb.INGEST_STATUS_QUEUED_FOR_VEC,
    "VECTORIZING": pb.INGEST_STATUS_VECTORIZING,
    "COMPLETED": pb.INGEST_STATUS_COMPLETED,
    "FAILED": pb.INGEST_STATUS_FAILED,
    "CANCELLED": pb.INGEST_STATUS_CANCELLED,
}
STATUSES = {
    "PENDING": pb.QUEUE_JOB_STATUS_PENDING,
    "PROCESSING": pb.QUEUE_JOB_STATUS_PROCESSING,
    "COMPLETED": pb.QUEUE_JOB_STATUS_COMPLETED,
    "FAILED": pb.QUEUE_JOB_STATUS_FAILED,
}


def ingest(message: pb.Ingest) -> Ingest:
    """Raises InvalidField with every bad field."""
    keywords = list(message.filter_keywords)
    problems = [
        FieldProblem(field, problem)
        for field, problem in (
            ("project_id", rules.id_rule(message.project_id)),
            ("type", None if message.type in TYPE_WORDS else f"expected one of {', '.join(TYPES)}"),
            ("source", rules.source_rule(message.source)),
        )
        if problem
    ]
    problems += rules.keyword_problems("filter_keywords", keywords)
    if problems:
        raise InvalidField(problems)
    return Ingest(
        project_id=message.project_id,
        type=TYPE_WORDS[message.type],
        filter_keywords=keywords,
        generate_embeddings=not message.HasField("generate_embeddings") or message.generate_embeddings,
        source=message.source,
    )


def project_of(row: Row) -> pb.Project:
    return pb.Project(id=row["id"], name=row["name"], owner_id=row["owner_id"], created_at=timestamp(row["created_at"]))


def ingest_job_of(row: Row) -> pb.IngestJob:
    return pb.IngestJob(
        id=row["id"],
        project_id=row["project_id"],
        type=TYPES[row["type"]],
        status=INGEST_STATUSES[row["status"]],
        total_records=row["total_records"],
        saved_count=row["saved_count"],
        skipped_count=row["skipped_count"],
        skipped_details=row["skipped_details"],
        error=row["error"] or "",
        created_at=timestamp(row["created_at"]),
        updated_at=timestamp(row["updated_at"]),
    )


def overview_of(overview: QueueOverview) -> pb.GetIngestionStatsResponse:
    numbers = overview.numbers
    return pb.GetIngestionStatsResponse(
        pending=numbers["PENDING"],
        processing=numbers["PROCESSING"],
        completed=numbers["COMPLETED"],
        failed=numbers["FAILED"],
        recent_jobs=[_queue_job(row) for row in overview.recent],
        oldest_pending=_queue_job(overview.oldest_pending) if overview.oldest_pending else None,
        now=timestamp(overview.now),
    )


def _queue_job(row: Row) -> pb.QueueJob:
    return pb.QueueJob(
        id=row["id"],
        job_type=row["job_type"],
        status=STATUSES[row["status"]],
        priority=row["priority"],
        attempts=row["attempts"],
        max_attempts=row["max_attempts"],
        progress=job_pb2.Progress(**row["progress"]) if row["progress"] else None,
        result_json=row["result"] or "",
        created_at=timestamp(row["created_at"]),
        started_at=timestamp(row["started_at"]),
        completed_at=timestamp(row["completed_at"]),
    )
