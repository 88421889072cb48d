"""The JSON of the communication surface: what comes in with its bounds, what goes out with its order of keys.

Models for input are checked field by field in the order of the specification, and the first bad field answers. A null
counts as left out. Models for output leave out what is None unless the specification wants a null.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, WithJsonSchema, field_validator
from pydantic.alias_generators import to_camel

from jobline_gateway import fields

__all__ = [
    "DESCRIBED",
    "Accepted",
    "ChangedJob",
    "Channel",
    "Filter",
    "Job",
    "ListQuery",
    "NewMessage",
    "OutboxEntry",
    "OutboxQuery",
    "Outcome",
    "Priority",
    "QueueHealth",
    "RetriedFailed",
    "RetryFailed",
    "Stats",
    "Status",
]

Channel = Literal["email", "sms", "whatsapp", "messenger"]
Priority = Literal["high", "normal", "low"]
Status = Literal["pending", "processing", "completed", "failed", "cancelled"]

ChannelIn = Annotated[Channel, fields.one_of(get_args(Channel))]
PriorityIn = Annotated[Priority, fields.one_of(get_args(Priority))]
Id = Annotated[str, Field(min_length=1, max_length=255), fields.text(1, 255)]
Search = Annotated[str, Field(max_length=200), fields.text(0, 200)]
Time = Annotated[datetime, fields.timestamp]
TimeInQuery = Annotated[datetime, fields.timestamp_in_query]
Limit = Annotated[int, Field(ge=1), fields.limit(1000)]
Cursor = Annotated[str, fields.cursor]
Variables = Annotated[
    dict[str, Any],
    fields.variables,
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]},
        }
    ),
]


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)


# ---- in -------------------------------------------------------------------------------------------------------------


class NewMessage(_Model):
    """A message to a customer. `body`, or a template that makes one, is required; `body` wins."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "channel": "email",
                "recipientContact": "user@example.com",
                "subject": "Hello",
                "body": "Your order is on its way.",
                "priority": "high",
                "scheduledAt": "2025-10-26T11:00:00Z",
            }
        }
    )

    channel: ChannelIn
    recipient_contact: Annotated[str, Field(min_length=1, max_length=320), fields.text(1, 320, blank=False)]
    subject: Annotated[str, Field(min_length=1, max_length=255), fields.text(1, 255)] | None = None
    body: Annotated[str, Field(min_length=1, max_length=10_000), fields.text(1, 10_000)] | None = None
    template_id: Id | None = None
    template_variables: Variables | None = None
    priority: Annotated[PriorityIn | None, Field(description="Left out: `normal`.")] = None
    scheduled_at: Annotated[Time | None, Field(description="Left out: now. Past times mean at once.")] = None
    max_attempts: Annotated[
        Annotated[int, Field(ge=1, le=10), fields.integer(1, 10)] | None, Field(description="Left out: 3.")
    ] = None
    communication_id: Annotated[
        Id | None, Field(description="An existing one gets a further job. Left out: a new one.")
    ] = None

    @field_validator("recipient_contact")
    @classmethod
    def _is_an_address(cls, contact: str, info: ValidationInfo) -> str:
        if info.data.get("channel") == "email":
            before, at, after = contact.partition("@")
            if not (before.strip() and at and after.strip()) or "@" in after:
                raise ValueError("must have text on both sides of one @")
        return contact

    @field_validator("body")
    @classmethod
    def _is_there_a_body(cls, body: str | None, info: ValidationInfo) -> str | None:
        """The template's id is checked after the body; the context is the input as it came."""
        if body is None and (info.context or {}).get("templateId") is None:
            raise ValueError("must be given where there is no templateId")
        return body


class RetryFailed(_Model):
    """Which failed jobs to retry: all conditions must hold, those left out do not count."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"error": "timeout", "channel": "email", "dryRun": True, "expectedCount": 7}}
    )

    error: Annotated[Search | None, Field(description="Text in `lastError`, in any case.")] = None
    channel: ChannelIn | None = None
    before: Annotated[Time | None, Field(description="Last changed before this time.")] = None
    dry_run: Annotated[
        Annotated[bool, fields.flag] | None, Field(description="Change nothing; answer what would be retried.")
    ] = None
    expected_count: Annotated[
        Annotated[int, Field(ge=0), fields.integer(0)] | None,
        Field(description="Retry only if exactly so many jobs match."),
    ] = None


class Filter(_Model):
    """What a list is narrowed to: all conditions must hold."""

    status: Annotated[
        Annotated[list[Status], fields.several_of(get_args(Status))] | None,
        Field(description="One, or several with commas between."),
    ] = None
    priority: PriorityIn | None = None
    channel: ChannelIn | None = None
    since: Annotated[TimeInQuery | None, Field(alias="from", description="`scheduledAt` from this time on.")] = None
    until: Annotated[TimeInQuery | None, Field(alias="to", description="`scheduledAt` before this time.")] = None
    text: Annotated[
        Search | None,
        Field(alias="q", description="Text in recipient, subject, body, error or communication id, in any case."),
    ] = None


class Page(_Model):
    """A part of a list."""

    limit: Annotated[Limit | None, Field(description="Above 1000 reads as 1000.")] = None
    cursor: Annotated[
        Cursor | None, Field(description="From the `Link` header of the page before; filters must stay the same.")
    ] = None


class ListQuery(Page, Filter):
    """A page of a list of jobs."""


class OutboxQuery(Page):
    """A page of the outbox."""

    communication_id: Id | None = None


# ---- out ------------------------------------------------------------------------------------------------------------


class Job(_Model):
    """A message to be sent, or a history entry: a failed attempt that another one followed."""

    id: str
    communication_id: str
    status: Status
    priority: Priority
    scheduled_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    attempts: int
    max_attempts: int
    last_error: str | None = None
    payload: Annotated[str, Field(description="JSON text.")]
    created_at: datetime
    updated_at: datetime


class ChangedJob(_Model):
    """What a change tells of a job."""

    id: str
    status: Status
    priority: Priority
    scheduled_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    attempts: int
    max_attempts: int
    last_error: str | None
    created_at: datetime
    position: int | None
    eta: dict[str, Any] | None


class Accepted(_Model):
    """The communication and the job that sends it."""

    communication_id: str
    job: Job


class Outcome(_Model):
    """Whether an act on a job succeeded; the job only if so."""

    success: bool
    message: str
    job: Job | None = None


class RetriedFailed(_Model):
    """How many failed jobs match (dry run) or were retried, and up to ten of them."""

    success: bool
    dry_run: bool
    count: int
    sample: list[Job]


class Stats(_Model):
    """The business's jobs in numbers."""

    total: int
    pending: int
    processing: int
    completed: int
    failed: int
    cancelled: int
    oldest_pending: datetime | None
    avg_processing_time_seconds: float | None


class QueueHealth(_Model):
    """The verdict on the business's queue, with a reason for each threshold that is crossed."""

    healthy: bool
    alert: bool
    reasons: list[str]
    stats: Stats


class OutboxEntry(_Model):
    """A message that was sent without an outside provider."""

    id: str
    job_id: str
    communication_id: str
    channel: Channel
    recipient_contact: str
    subject: str | None = None
    body: str
    attempt: int
    sent_at: datetime


class ErrorBody(_Model):
    """What went wrong, in one sentence. A 401 has no `error`."""

    status_code: int
    message: str
    error: str | None = None


#: What the routes name in their OpenAPI description only: the bodies that they read themselves, and the errors.
DESCRIBED = (NewMessage, RetryFailed, ErrorBody)
