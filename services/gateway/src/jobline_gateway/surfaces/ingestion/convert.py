"""Between the queue service's messages and the JSON of the database queue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import cast, get_args

from google.protobuf.timestamp_pb2 import Timestamp
from uuid_utils import uuid7

from jobline.v1 import ingestion_service_pb2 as pb
from jobline.v1.embedding_pb2 import Vector
from jobline.v1.job_pb2 import InputChunk
from jobline_gateway.surfaces.ingestion import schemas

__all__ = ["ingest", "ingest_job", "ingest_messages", "project", "search_request", "search_results", "stats"]

_TYPES = {word: pb.RecordType.Value(f"RECORD_TYPE_{word}") for word in get_args(schemas.RecordType)}
_TYPE_WORDS = {value: word for word, value in _TYPES.items()}
_STATUS_WORDS = {pb.QueueJobStatus.Value(f"QUEUE_JOB_STATUS_{word}"): word for word in get_args(schemas.Status)}
_INGEST_WORDS = {pb.IngestStatus.Value(f"INGEST_STATUS_{word}"): word for word in get_args(schemas.IngestStatus)}


# ---- in -------------------------------------------------------------------------------------------------------------


def ingest(wanted: schemas.Ingest, source: str) -> pb.Ingest:
    """The beginning of a call. Its new request id stays the same over all tries, so that it is stored once."""
    return pb.Ingest(
        project_id=wanted.project_id,
        type=_TYPES[wanted.type or "TASK"],
        filter_keywords=wanted.filter_keywords or (),
        generate_embeddings=True if wanted.generate_embeddings is None else wanted.generate_embeddings,
        source=source,
        request_id=str(uuid7()),
    )


def ingest_messages(beginning: pb.Ingest, records: Iterator[str]) -> Iterator[pb.StartIngestRequest]:
    """A whole call; `records` are JSON arrays."""
    yield pb.StartIngestRequest(ingest=beginning)
    for items in records:
        yield pb.StartIngestRequest(records=InputChunk(items_json=items))


def search_request(project_id: str, wanted: schemas.Search, vector: Vector) -> pb.SearchRecordsRequest:
    return pb.SearchRecordsRequest(
        project_id=project_id,
        vector=vector,
        limit=wanted.limit or 0,
        type=_TYPES[wanted.type] if wanted.type else pb.RECORD_TYPE_UNSPECIFIED,
        category=wanted.category or "",
    )


# ---- out ------------------------------------------------------------------------------------------------------------


def project(found: pb.Project) -> schemas.Project:
    return schemas.Project(id=found.id, name=found.name, created_at=_time(found.created_at))


def ingest_job(found: pb.IngestJob) -> schemas.IngestJob:
    return schemas.IngestJob(
        id=found.id,
        project_id=found.project_id,
        type=_TYPE_WORDS[found.type],
        status=_INGEST_WORDS[found.status],
        total_records=found.total_records,
        saved_count=found.saved_count,
        skipped_count=found.skipped_count,
        skipped_details=dict(sorted(found.skipped_details.items())),
        error=found.error or None,
        created_at=_time(found.created_at),
        updated_at=_time(found.updated_at),
    )


def search_results(found: pb.SearchRecordsResponse) -> schemas.Found:
    return schemas.Found(results=[_found_record(record) for record in found.records])


def _found_record(found: pb.FoundRecord) -> schemas.FoundRecord:
    return schemas.FoundRecord(
        id=found.id,
        type=_TYPE_WORDS[found.type],
        category=cast(schemas.Category, found.category) if found.category else None,
        content=found.content,
        metadata=json.loads(found.metadata_json),
        source=found.source or None,
        created_at=_time(found.created_at),
        score=found.score,
    )


def stats(found: pb.GetIngestionStatsResponse) -> schemas.Stats:
    return schemas.Stats(
        queue_stats=schemas.QueueStats(
            pending=found.pending, processing=found.processing, completed=found.completed, failed=found.failed
        ),
        recent_jobs=[_queue_job(job) for job in found.recent_jobs],
        oldest_pending_job=_oldest(found) if found.HasField("oldest_pending") else None,
    )


def _queue_job(found: pb.QueueJob) -> schemas.QueueJob:
    progress = found.progress
    return schemas.QueueJob(
        id=found.id,
        job_type=cast(schemas.JobType, found.job_type),
        status=_STATUS_WORDS[found.status],
        priority=found.priority,
        attempts=found.attempts,
        max_attempts=found.max_attempts,
        progress=schemas.JobProgress(current=progress.current, total=progress.total, message=progress.message)
        if found.HasField("progress")
        else None,
        result=json.loads(found.result_json) if found.result_json else None,
        created_at=_time(found.created_at),
        started_at=_time(found.started_at) if found.HasField("started_at") else None,
        completed_at=_time(found.completed_at) if found.HasField("completed_at") else None,
    )


def _oldest(found: pb.GetIngestionStatsResponse) -> schemas.OldestJob:
    created_at = _time(found.oldest_pending.created_at)
    age = (_time(found.now) - created_at).total_seconds()
    return schemas.OldestJob(id=found.oldest_pending.id, created_at=created_at, age_minutes=max(0, int(age // 60)))


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)
