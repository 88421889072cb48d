"""The result of a content_generation job: what a worker has to send, and what the saved post adds to it.

The worker leaves open what it cannot know: `savedPost`, `imageGeneration.blogPostId` and `.needsImageGeneration`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from jobline_queue.modules.content.shapes import Items, NotBlank, Open, read

_Level = Literal["basic", "medium", "high"]
_Percent = Annotated[int, Field(ge=0, le=100)]
_Count = Annotated[int, Field(ge=0)]


class _Link(Open):
    anchorText: str
    suggestedUrl: str
    context: str


class _CtaSuggestion(Open):
    text: str
    placement: str
    type: str
    context: str


class _Visual(Open):
    type: str
    description: str
    placement: str


class _OrganizationContext(Open):
    dataCompleteness: _Percent
    hasWebsiteData: bool
    hasManualInputs: bool
    enhancementLevel: _Level


class _GenerationMetadata(Open):
    model: str
    duration: _Count
    tokensUsed: _Count
    enhancementLevel: _Level
    generatedAt: str


class _QualityPrediction(Open):
    expectedSEOScore: _Percent
    enhancementLevel: _Level
    dataCompleteness: _Percent
    recommendations: Items[str]


class _Data(Open):
    title: NotBlank
    subtitle: str
    metaDescription: str
    content: NotBlank
    tags: Items[str]
    estimatedReadTime: str
    seoKeywords: Items[str]
    internalLinks: Items[_Link]
    ctaSuggestions: Items[_CtaSuggestion]
    seoOptimizationScore: _Percent
    organizationContext: _OrganizationContext
    generationMetadata: _GenerationMetadata
    visualContentSuggestions: Items[_Visual]
    enhancedGeneration: bool
    qualityPrediction: _QualityPrediction


class _Summary(Open):
    generationTime: _Count
    tokensUsed: _Count
    qualityPrediction: _QualityPrediction
    dataCompleteness: _Percent
    visualSuggestions: _Count


class _ImageGeneration(Open):
    hasPlaceholders: bool
    needsImageGeneration: Literal[False]
    blogPostId: None
    topic: dict[str, Any]
    organizationId: str


class _Result(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    success: Literal[True]
    data: _Data
    savedPost: None
    enhancedGeneration: bool
    metadata: _Summary
    imageGeneration: _ImageGeneration

    @model_validator(mode="after")
    def _counts_right(self) -> Self:
        if self.metadata.visualSuggestions != len(self.data.visualContentSuggestions):
            raise ValueError("expected metadata.visualSuggestions to say how many visualContentSuggestions there are")
        return self


def read_result(result: str) -> dict[str, Any]:
    """A worker's result, parsed. Raises InvalidField with the places of what is wrong in it."""
    value: dict[str, Any] = json.loads(result)
    read(_Result, value, "result")
    return value


def with_post(result: Mapping[str, Any], post: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a job whose post was saved. Its images can be made, if it has places for them."""
    images = result["imageGeneration"]
    saved = {"blogPostId": post["id"], "needsImageGeneration": images["hasPlaceholders"]}
    return {**result, "savedPost": dict(post), "imageGeneration": {**images, **saved}}


def count_words(markdown: str) -> int:
    """Words between blanks; marks that stand alone, such as `#` and `-`, are none."""
    return sum(any(map(str.isalnum, word)) for word in markdown.split())
