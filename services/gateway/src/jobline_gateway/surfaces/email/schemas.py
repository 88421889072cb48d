"""The JSON of the e-mail surface: what comes in with its bounds, what goes out with its order of keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool
from pydantic_core import PydanticCustomError

__all__ = [
    "DESCRIBED",
    "PLACEHOLDER",
    "BatchAccepted",
    "Cancelled",
    "ChangedItem",
    "DisplayedChange",
    "Email",
    "EmailBatch",
    "QueueItem",
]

PLACEHOLDER = r"\{\{[^}]+\}\}"

Status = Literal["pending", "processing", "completed", "failed"]
Step = Literal["template_parser", "web_scraper", "arxiv_helper", "email_composer"]


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("string_nul", "String should not contain NUL characters")
    return text


# Lengths count code points, before trimming. A lone surrogate is refused by pydantic itself (`string_unicode`).
Name = Annotated[str, Field(min_length=2, max_length=255), AfterValidator(_without_nul)]
Interest = Annotated[str, Field(min_length=2, max_length=500), AfterValidator(_without_nul)]
Template = Annotated[
    str,
    Field(
        min_length=10, max_length=5000, description="Used for every item.", json_schema_extra={"pattern": PLACEHOLDER}
    ),
    AfterValidator(_without_nul),
]


class Recipient(BaseModel):
    """One e-mail to be written."""

    recipient_name: Name
    recipient_interest: Interest


class EmailBatch(BaseModel):
    """One template for 1–100 recipients."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "items": [
                    {"recipient_name": "Dr. Jane Smith", "recipient_interest": "machine learning"},
                    {"recipient_name": "Prof. John Doe", "recipient_interest": "computer vision"},
                ],
                "email_template": "Hey {{name}}, I loved your work on {{research}}!",
            }
        }
    )

    items: Annotated[list[Recipient], Field(min_length=1, max_length=100)]
    email_template: Template


class BatchAccepted(BaseModel):
    """The ids of the new items, in input order."""

    queue_item_ids: list[str]
    message: str


class QueueItem(BaseModel):
    """An item of the caller. What does not apply to its status is null."""

    id: str
    recipient_name: str
    status: Status
    position: int | None = Field(
        description="1 is next. Counts the pending items of all users.", json_schema_extra={"minimum": 1}
    )
    email_id: str | None
    error_message: str | None = Field(json_schema_extra={"maxLength": 1000})
    current_step: Step | None
    created_at: datetime


class ChangedItem(BaseModel):
    """What a change tells of an item."""

    id: str
    status: Status
    position: int | None
    email_id: str | None
    error_message: str | None
    current_step: str | None
    created_at: datetime
    eta: dict[str, Any] | None


class Cancelled(BaseModel):
    """The item is gone."""

    message: str


class Paper(BaseModel):
    """A paper that the e-mail may have used."""

    model_config = ConfigDict(extra="allow")

    title: str = ""
    arxiv_url: str = ""
    year: int | None = None


class EmailMetadata(BaseModel):
    """How the e-mail came about. Times are seconds; a skipped step has no entry in `step_timings`."""

    model_config = ConfigDict(extra="allow")

    search_terms: list[str] = []
    sources: list[str] = []
    scraped_urls: list[str] = []
    papers_used: list[str] = []
    arxiv_papers: list[Paper] = []
    step_timings: dict[str, float] = {}
    generation_time: float = 0.0
    model: str = ""
    temperature: float = 0.0
    warnings: list[Any] = []


class Email(BaseModel):
    """A finished e-mail."""

    id: str
    user_id: str
    recipient_name: str
    recipient_interest: str
    email_message: str
    template_type: Literal["research", "book", "general"]
    metadata: EmailMetadata
    is_confident: bool
    displayed: bool
    created_at: datetime


class DisplayedChange(BaseModel):
    """Shows or hides an e-mail."""

    model_config = ConfigDict(json_schema_extra={"example": {"displayed": False}})

    displayed: StrictBool


class ErrorDetail(BaseModel):
    """What went wrong, in one sentence."""

    detail: str


class BadField(BaseModel):
    """One offending field: where it is, a sentence, a machine word."""

    loc: list[str | int]
    msg: str
    type: str


class BadFields(BaseModel):
    """Every offending field of a request."""

    detail: list[BadField]


#: What the routes name in their OpenAPI description only: the bodies that they read themselves, and the errors.
DESCRIBED = (EmailBatch, DisplayedChange, ErrorDetail, BadFields)
