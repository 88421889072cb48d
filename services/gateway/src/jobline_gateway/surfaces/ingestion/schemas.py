"""The JSON of the database queue: what comes in with its bounds, what goes out with its order of keys.

A null counts as left out in what comes in. What goes out has all keys always.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from jobline_gateway import fields

__all__ = [
    "DESCRIBED",
    "Category",
    "ChangedQueueJob",
    "CleanedUp",
    "Done",
    "Found",
    "FoundRecord",
    "Ingest",
    "IngestJob",
    "IngestStatus",
    "JobProgress",
    "JobType",
    "JsonIngest",
    "NewProject",
    "OldestJob",
    "Processed",
    "Project",
    "QueueJob",
    "QueueStats",
    "RecordType",
    "Search",
    "Started",
    "Stats",
    "Status",
]

RecordType = Literal["TASK", "FEEDBACK"]
Category = Literal["TOP_10", "BOTTOM_10"]
JobType = Literal["INGEST_DATA", "VECTORIZE"]
Status = Literal["PENDING", "PROCESSING", "COMPLETED", "FAILED"]
IngestStatus = Literal["PENDING", "PROCESSING", "QUEUED_FOR_VEC", "VECTORIZING", "COMPLETED", "FAILED", "CANCELLED"]

MAX_ID = 255
MAX_KEYWORDS = 100
MAX_URL = 2048
#: No more fit into a request, unless they say nothing.
MAX_RECORDS = 1_000_000
MAX_QUERY = 2000
MAX_FOUND = 100

Id = Annotated[str, Field(min_length=1, max_length=MAX_ID), fields.text(1, MAX_ID)]


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)


# ---- in -------------------------------------------------------------------------------------------------------------


class NewProject(_Model):
    """A project to be made."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "Feedback", "id": "proj-456"}})

    name: Id
    id: Annotated[Id | None, Field(description="Left out: a new UUID.")] = None


class Ingest(_Model):
    """Where records go and what is made of them."""

    project_id: Id
    type: Annotated[
        Annotated[RecordType, fields.one_of(get_args(RecordType))] | None, Field(description="Left out: `TASK`.")
    ] = None
    filter_keywords: Annotated[
        Annotated[list[str], Field(max_length=MAX_KEYWORDS), fields.strings(MAX_KEYWORDS, MAX_ID)] | None,
        Field(
            description="A record that contains none of them, in whatever case, is skipped. Blank ones do not count."
        ),
    ] = None
    generate_embeddings: Annotated[
        Annotated[bool, fields.flag] | None, Field(description="Left out: true; without, nothing can be searched for.")
    ] = None
    url: Annotated[
        Annotated[str, Field(max_length=MAX_URL), fields.text(0, MAX_URL)] | None,
        Field(description="Where the records come from, for people; it is not fetched."),
    ] = None


class JsonIngest(Ingest):
    """Records to be loaded."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "projectId": "proj-456",
                "type": "TASK",
                "records": [{"task_id": "t-1", "feedback": "The answer was clear and complete."}],
                "filterKeywords": ["answer"],
                "generateEmbeddings": True,
                "url": "https://example.com/export",
            }
        }
    )

    records: Annotated[list[dict[str, Any] | str], Field(min_length=1, max_length=MAX_RECORDS)]


class Search(_Model):
    """What to look for."""

    model_config = ConfigDict(json_schema_extra={"example": {"query": "clear answers", "limit": 10}})

    query: Annotated[
        str, Field(min_length=1, max_length=MAX_QUERY, description="Not blank."), fields.text(1, MAX_QUERY, blank=False)
    ]
    limit: Annotated[
        Annotated[int, Field(ge=1, le=MAX_FOUND), fields.integer(1, MAX_FOUND)] | None,
        Field(description="Left out: 10."),
    ] = None
    type: Annotated[
        Annotated[RecordType, fields.one_of(get_args(RecordType))] | None, Field(description="Left out: both.")
    ] = None
    category: Annotated[
        Annotated[Category, fields.one_of(get_args(Category))] | None,
        Field(description="Left out: all, also those without a category."),
    ] = None


class JobId(_Model):
    """The job that is meant."""

    job_id: str


# ---- out ------------------------------------------------------------------------------------------------------------


class Project(_Model):
    """A project."""

    id: str
    name: str
    created_at: datetime


class Started(_Model):
    """The ingest job, which is queued."""

    message: str
    job_id: str


class Done(_Model):
    """The act succeeded."""

    success: bool
    job_id: str


class IngestJob(_Model):
    """The loading of one set of records, up to their embeddings."""

    id: str
    project_id: str
    type: RecordType
    status: IngestStatus
    total_records: int
    saved_count: int
    skipped_count: int
    skipped_details: Annotated[dict[str, int], Field(description="`Duplicate ID`, `Keyword Mismatch`.")]
    error: Annotated[str | None, Field(description="When failed.")]
    created_at: datetime
    updated_at: datetime


class FoundRecord(_Model):
    """A record that was found."""

    id: str
    type: RecordType
    category: Category | None
    content: str
    metadata: Annotated[Any, Field(description="The record as it was given.")]
    source: str | None
    created_at: datetime
    score: Annotated[float, Field(description="The cosine of query and record: 1 for the same direction.")]


class Found(_Model):
    """The records nearest to a query, the nearest first."""

    results: list[FoundRecord]


class QueueStats(_Model):
    """Jobs by status; cancelled ones count as failed."""

    pending: int
    processing: int
    completed: int
    failed: int


class JobProgress(_Model):
    """Records done, of all."""

    current: int
    total: int
    message: str


class QueueJob(_Model):
    """A job of one of the two queues."""

    id: str
    job_type: JobType
    status: Status
    priority: int
    attempts: int
    max_attempts: int
    progress: JobProgress | None
    result: Any
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None


class ChangedQueueJob(QueueJob):
    """A job as a change tells of it."""

    position: int | None
    eta: dict[str, Any] | None


class OldestJob(_Model):
    """The job that has been pending for longest."""

    id: str
    created_at: datetime
    age_minutes: Annotated[int, Field(description="Whole minutes, rounded down.")]


class Stats(_Model):
    """Both queues at a glance."""

    queue_stats: QueueStats
    recent_jobs: Annotated[list[QueueJob], Field(description="The 20 newest, newest first.")]
    oldest_pending_job: OldestJob | None


class Processed(_Model):
    """How many jobs a call has run."""

    success: bool
    processed: Annotated[int, Field(description="Completed, failed or put back for a retry.")]
    duration: Annotated[int, Field(description="Milliseconds.")]


class CleanedUp(_Model):
    """How many old jobs were removed."""

    success: bool
    deleted_count: int


class IngestionErrorBody(_Model):
    """What went wrong, in one sentence."""

    error: str


#: What the routes name in their OpenAPI description only: the bodies that they read themselves, and the errors.
DESCRIBED = (NewProject, JsonIngest, Search, JobId, IngestionErrorBody)
