"""Which answers of a language model are usable: their form, their bounds and what a text may not have in it.

The validators word their complaints for the model, which is asked again with them. What they need to know of the job comes
as the validation's context: `host` of the business's site and whether image `placeholders` are wanted.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from jobline_worker.pipelines.content.generation.brief import UNTITLED
from jobline_worker.pipelines.content.generation.markdown_text import faults_of
from jobline_worker.pipelines.content.generation.plain_text import plain

__all__ = ["Draft", "Outline", "OutlineSection", "Post", "Visual"]

_Line = Annotated[str, Field(min_length=1, max_length=300)]


class OutlineSection(BaseModel):
    heading: Annotated[str, Field(min_length=2, max_length=160)]
    points: Annotated[list[_Line], Field(min_length=1, max_length=12)]


class Outline(BaseModel):
    """The plan of a post; the first keyword is the one that the post is to be found by."""

    subtitle: Annotated[str, Field(min_length=2, max_length=300)]
    keywords: Annotated[list[_Line], Field(min_length=1, max_length=10)]
    sections: Annotated[list[OutlineSection], Field(min_length=2, max_length=30)]


class _Text(BaseModel):
    content: Annotated[str, Field(min_length=200, max_length=40_000)]

    @field_validator("content")
    @classmethod
    def is_clean_markdown(cls, content: str, info: ValidationInfo) -> str:
        context = info.context or {}
        if faults := faults_of(content, context.get("host", ""), placeholders=context.get("placeholders", False)):
            raise ValueError("; ".join(faults))
        return content


class Draft(_Text):
    """The whole text in markdown."""


class Visual(BaseModel):
    """A picture that would help: its kind (hero, diagram, …), what it shows and where it belongs."""

    type: Annotated[str, Field(min_length=1, max_length=40)]
    description: _Line
    placement: Annotated[str, Field(min_length=1, max_length=200)]


class Post(_Text):
    """The finished text and what stands around it."""

    title: Annotated[str, Field(min_length=1, max_length=200)]
    subtitle: Annotated[str, Field(min_length=2, max_length=300)]
    metaDescription: Annotated[str, Field(min_length=50, max_length=160)]
    tags: Annotated[list[_Line], Field(min_length=1, max_length=10)]
    seoKeywords: Annotated[list[_Line], Field(min_length=1, max_length=10)]
    visualContentSuggestions: Annotated[list[Visual], Field(max_length=6)]
    #: What of the caller's wishes the text does not keep, in sentences for the caller.
    notes: Annotated[list[_Line], Field(max_length=8)]

    @field_validator("title", "subtitle", "metaDescription")
    @classmethod
    def is_plain(cls, text: str) -> str:
        return plain(text, 400) or UNTITLED
