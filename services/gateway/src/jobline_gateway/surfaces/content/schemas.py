"""The JSON of the jobs API: what comes in with its bounds, what goes out with its order of keys.

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
    "CancelledJob",
    "ContentGeneration",
    "CreatedJob",
    "JobPage",
    "JobStatus",
    "JobType",
    "ListQuery",
    "ListedJob",
    "Status",
]

JobType = Literal["website_analysis", "content_generation"]
Status = Literal["queued", "running", "succeeded", "failed"]
ErrorCode = Literal["INSUFFICIENT_CREDITS", "CANCELLED", "WORKER_LOST", "FETCH_FAILED", "PROVIDER_ERROR", "INTERNAL"]

#: The most that the queue service puts on a page.
MAX_PAGE = 100


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)


# ---- in -------------------------------------------------------------------------------------------------------------


class WebsiteAnalysis(_Model):
    """The page to analyse."""

    model_config = ConfigDict(json_schema_extra={"example": {"url": "https://example.com"}})

    url: Annotated[str, Field(max_length=2048, description="http or https, with a host.")]


class Options(_Model):
    """How a text is made and kept."""

    include_visuals: Annotated[
        Annotated[bool, fields.flag] | None, Field(description="Suggest pictures. Left out: true.")
    ] = None
    auto_save: Annotated[
        Annotated[bool, fields.flag] | None, Field(description="Save the text as a post. Left out: true.")
    ] = None
    status: Annotated[
        Annotated[str, Field(min_length=1, max_length=50), fields.text(1, 50)] | None,
        Field(description="Of the saved post. Left out: `draft`."),
    ] = None


class ContentGeneration(_Model):
    """The text to write."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "topic": {"title": "How to plan a week in ten minutes"},
                "businessInfo": {"businessType": "SaaS", "targetAudience": "Planners", "businessName": "Example"},
                "organizationId": "b1c0a6e2-58d1-4f0a-8f8e-7d1e0f6b9a21",
                "options": {"includeVisuals": True, "autoSave": True, "status": "draft"},
            }
        }
    )

    topic: Annotated[
        dict[str, Any], Field(description="`title`, not blank; further keys are kept."), fields.json_object
    ]
    business_info: Annotated[
        dict[str, Any],
        Field(description="`businessType` and `targetAudience`, not blank; further keys are kept and used."),
        fields.json_object,
    ]
    organization_id: Annotated[
        str, Field(min_length=1, max_length=255, description="Need not exist."), fields.text(1, 255)
    ]
    additional_instructions: Annotated[str, Field(max_length=5000), fields.text(0, 5000)] | None = None
    options: Annotated[Options, fields.json_object] | None = None


class ListQuery(_Model):
    """Which of the caller's jobs are listed: all conditions must hold."""

    type: Annotated[
        Annotated[list[JobType], fields.several_of(get_args(JobType))] | None,
        Field(description="One, or several with commas between."),
    ] = None
    status: Annotated[
        Annotated[list[Status], fields.several_of(get_args(Status))] | None,
        Field(description="One, or several with commas between."),
    ] = None
    limit: Annotated[
        Annotated[int, Field(ge=1), fields.limit(MAX_PAGE)] | None,
        Field(description=f"Left out: 20. Above {MAX_PAGE} reads as {MAX_PAGE}."),
    ] = None
    cursor: Annotated[
        Annotated[str, fields.cursor] | None,
        Field(description="`nextCursor` of the page before; filters must stay the same."),
    ] = None


# ---- out ------------------------------------------------------------------------------------------------------------


class CreatedJob(_Model):
    """The job, which is queued."""

    job_id: str


class CancelledJob(_Model):
    """The job is cancelled, or will be at the end of the step that it is in."""

    cancelled: bool


Progress = Annotated[int, Field(ge=0, le=100)]
CurrentStep = Annotated[str | None, Field(description="While running.")]
Estimate = Annotated[int | None, Field(ge=0, description="Whole seconds, while running.")]
Error = Annotated[str | None, Field(description="When failed.")]
Code = Annotated[ErrorCode | None, Field(description="When failed.")]
Changed = Annotated[datetime, Field(description="Moves with every change of the progress.")]


class JobStatus(_Model):
    """A job as it is now."""

    job_id: str
    status: Status
    progress: Progress
    current_step: CurrentStep
    estimated_time_remaining: Estimate
    error: Error
    error_code: Code
    result: Annotated[dict[str, Any] | None, Field(description="When succeeded.")]
    created_at: datetime
    updated_at: Changed


class ListedJob(_Model):
    """A job in a list: with its type, without its result."""

    job_id: str
    type: JobType
    status: Status
    progress: Progress
    current_step: CurrentStep
    estimated_time_remaining: Estimate
    error: Error
    error_code: Code
    created_at: datetime
    updated_at: Changed


class JobPage(_Model):
    """A page of the caller's jobs, newest first."""

    jobs: list[ListedJob]
    next_cursor: Annotated[str | None, Field(description="For the next page; null on the last one.")]


class JobsErrorBody(_Model):
    """What went wrong: a few words, and a sentence."""

    success: Literal[False]
    error: str
    message: str


#: What the routes name in their OpenAPI description only: the bodies that they read themselves, and the errors.
DESCRIBED = (WebsiteAnalysis, ContentGeneration, JobsErrorBody)
