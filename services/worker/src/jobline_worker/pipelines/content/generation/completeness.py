"""How much is known about the one for whom a post is written: points by a table, and what they are called.

    from the website (60)                      from the caller (40)
    description              10                business name               10
    target audience          10                brand voice                  5
    business type             5                website goals                5
    content focus             5                any other business detail    5
    brand voice               5                any detail of the topic     10
    website goals             5                additional instructions      5
    search behaviour          5
    a call to action         10
    three of them             5 more

Title, business type and audience are required of every caller, so they earn nothing. A detail that only repeats what the
analysis of the website says is the website's. From 75 points the level is `high`, from 30 `medium`, below it `basic`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["Level", "Standing", "is_told", "standing_of"]

Level = Literal["basic", "medium", "high"]

_WEBSITE = {
    "description": 10,
    "targetAudience": 10,
    "businessType": 5,
    "contentFocus": 5,
    "brandVoice": 5,
    "websiteGoals": 5,
    "searchBehavior": 5,
}
_SOME_CALLS, _THREE_CALLS = 10, 5
_CALLER = {"businessName": 10, "brandVoice": 5, "websiteGoals": 5}
_OTHER_DETAIL, _TOPIC_DETAIL, _INSTRUCTIONS = 5, 10, 5
_REQUIRED = frozenset({"businessType", "targetAudience"})
_HIGH, _MEDIUM = 75, 30


class Standing(BaseModel):
    """What there is to write from; `completeness` is 0 to 100."""

    model_config = ConfigDict(frozen=True)

    completeness: int
    has_website_data: bool
    has_manual_inputs: bool
    level: Level


def standing_of(payload: Mapping[str, Any], analysis: Mapping[str, Any], calls_to_action: int) -> Standing:
    """Counts what is there. `payload` is the job's checked input."""
    website = _website_points(analysis, calls_to_action)
    caller = _caller_points(payload, analysis)
    total = website + caller
    level: Level = "high" if total >= _HIGH else "medium" if total >= _MEDIUM else "basic"
    return Standing(completeness=total, has_website_data=website > 0, has_manual_inputs=caller > 0, level=level)


def _website_points(analysis: Mapping[str, Any], calls_to_action: int) -> int:
    points = sum(worth for key, worth in _WEBSITE.items() if is_told(analysis.get(key)))
    return points + _SOME_CALLS * (calls_to_action >= 1) + _THREE_CALLS * (calls_to_action >= 3)


def _caller_points(payload: Mapping[str, Any], analysis: Mapping[str, Any]) -> int:
    own = {
        key
        for key, value in payload["businessInfo"].items()
        if key not in _REQUIRED and is_told(value) and value != analysis.get(key)
    }
    topic = any(is_told(value) for key, value in payload["topic"].items() if key != "title")
    points = sum(worth for key, worth in _CALLER.items() if key in own)
    points += _OTHER_DETAIL * bool(own - _CALLER.keys()) + _TOPIC_DETAIL * topic
    return points + _INSTRUCTIONS * is_told(payload.get("additionalInstructions"))


def is_told(value: object) -> bool:
    """Not empty. Where a page says nothing, its analysis says so: "Not stated: …", "The page names nobody …"."""
    if isinstance(value, str):
        return bool(value.strip()) and not value.startswith(("Not ", "The page ", "No headings "))
    return value is not None and value is not False and value not in ([], {})
