"""The answers that a language model, or the embedded analysis in its place, gives to the three questions.

Small deviations that models are known for are put right while reading (a list that is too long, "High" for "high"); what
cannot be repaired is refused, and asked for again. Bounds keep the steps' outputs within what is stored.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationInfo, field_validator

from jobline_worker.providers.storable import storable

__all__ = ["LINK", "Audiences", "BusinessValue", "ContentIdea", "Pitches", "Portrait", "Scenario", "TargetSegment"]

MAX_TEXT, MAX_SHORT = 1200, 200
MOST_SCENARIOS, FEWEST_SCENARIOS = 5, 4

LINK = re.compile(r"(?:https?://|\bwww\.)[^\s<>\"'“”)\]]+", re.IGNORECASE)


def _text(value: Any, info: ValidationInfo) -> Any:
    """A text without doubled white space. A list where a text was asked for becomes one, separated by semicolons.

    Raises ValueError for a link that is not among `links` of the context: a page may have talked the model into it.
    """
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = "; ".join(value)
    if not isinstance(value, str):
        return value
    text = " ".join(storable(value).split())
    known = (info.context or {}).get("links")
    if known is not None and any(link.rstrip(".,;:!?/") not in known for link in LINK.findall(text)):
        raise ValueError("it has a link that is not on the page; write no links")
    return text


def _cut(most: int) -> BeforeValidator:
    return BeforeValidator(
        lambda value: value if not isinstance(value, str) or len(value) <= most else value[: most - 1] + "…"
    )


def _first(most: int) -> BeforeValidator:
    return BeforeValidator(lambda value: value[:most] if isinstance(value, list) else value)


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


# Read from right to left: white space first, then the length.
Text = Annotated[str, Field(min_length=1), _cut(MAX_TEXT), BeforeValidator(_text)]
Short = Annotated[str, Field(min_length=1), _cut(MAX_SHORT), BeforeValidator(_text)]
Optional = Annotated[str, _cut(MAX_TEXT), BeforeValidator(_text)]
Level = Annotated[Literal["low", "medium", "high"], BeforeValidator(_lower)]


class Portrait(BaseModel):
    """A business as its page shows it."""

    businessType: Short
    businessName: Short
    decisionMakers: Text
    endUsers: Text
    targetAudience: Optional
    contentFocus: Text
    brandVoice: Text
    description: Text
    businessModel: Text
    websiteGoals: Text
    blogStrategy: Text
    searchBehavior: Text
    connectionMessage: Text

    @field_validator("targetAudience", mode="after")
    @classmethod
    def _filled(cls, value: str, info: ValidationInfo) -> str:
        """Later steps need it: who decides and who uses stand in for it."""
        return value or f"{info.data.get('decisionMakers', '')}; {info.data.get('endUsers', '')}"[:MAX_TEXT]


class TargetSegment(BaseModel):
    demographics: Text
    psychographics: Text
    searchBehavior: Text


class BusinessValue(BaseModel):
    """`priority` 1 is the first."""

    searchVolume: Level
    competition: Level
    conversionPotential: Level
    priority: Annotated[int, Field(ge=1, le=10)]


class ContentIdea(BaseModel):
    title: Short
    searchIntent: Short
    businessAlignment: Text


class Scenario(BaseModel):
    """One audience: what it suffers from, who it is, what it is worth, how it speaks and how it gets to act."""

    customerProblem: Text
    targetSegment: TargetSegment
    businessValue: BusinessValue
    customerLanguage: Annotated[list[Short], Field(min_length=1, max_length=8), _first(8)]
    seoKeywords: Annotated[list[Short], Field(min_length=1, max_length=10), _first(10)]
    conversionPath: Text
    contentIdeas: Annotated[list[ContentIdea], Field(min_length=1, max_length=5), _first(5)]


class Audiences(BaseModel):
    scenarios: Annotated[
        list[Scenario], Field(min_length=FEWEST_SCENARIOS, max_length=MOST_SCENARIOS), _first(MOST_SCENARIOS)
    ]

    @field_validator("scenarios", mode="after")
    @classmethod
    def _different(cls, scenarios: list[Scenario]) -> list[Scenario]:
        if len({scenario.customerProblem.casefold() for scenario in scenarios}) < len(scenarios):
            raise ValueError("two scenarios have the same customerProblem; every audience is a different one")
        return scenarios


class Pitches(BaseModel):
    """`count` of the context says how many there have to be."""

    pitches: Annotated[list[Text], Field(min_length=FEWEST_SCENARIOS)]

    @field_validator("pitches", mode="after")
    @classmethod
    def _one_each(cls, pitches: list[str], info: ValidationInfo) -> list[str]:
        count = (info.context or {}).get("count", len(pitches))
        if len(pitches) < count:
            raise ValueError(
                f"there are {len(pitches)} pitches for {count} audiences; write one for each, in their order"
            )
        return pitches[:count]
