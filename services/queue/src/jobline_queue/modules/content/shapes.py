"""What JSON from outside must look like: a caller's input, and what workers say their steps and pipelines have made.

Workers are trusted with running jobs, not with what is stored: a model may have written it, from a page that anybody may
have written. Types are strict, lengths are bounded, and the refusal names the value at fault.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from jobline_queue.core.errors import FieldProblem, InvalidField

MAX_CTAS = 50
MAX_SHOWN_CTAS = 5
SUFFICIENT_CTAS = 3
MAX_SCENARIOS = 5
MAX_IMAGE = 36 * 1024
#: Content type of an image → the ending of its name.
IMAGE_TYPES = {"image/svg+xml": "svg", "image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
IMAGE_PATH = "/media/"

_MAX_PROBLEMS = 20
M = TypeVar("M", bound=BaseModel)

#: What a visitor may be sent to, or nothing: a page's `javascript:` would run on the frontend that shows the result.
_HREF = r"(?i)^$|^(https?|tel|mailto):"
_ImageName = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}\.(svg|png|jpg|webp)$")]
_CtaType = Literal[
    "button",
    "contact_link",
    "signup_link",
    "demo_link",
    "trial_link",
    "form",
    "email_capture",
    "cta_element",
    "phone_link",
    "download_link",
]


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("Input should not be blank")
    return text


NotBlank = Annotated[str, AfterValidator(_not_blank)]
T = TypeVar("T")
#: A list whose first bad item is the only one that is told of: half a million of them took seconds and half a gigabyte.
Items = Annotated[list[T], FailFast()]


def read(model: type[M], value: Any, path: str) -> M:
    """`value` as a model. Raises InvalidField with `path` and the place of each problem in the value."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[:_MAX_PROBLEMS]
        problems = [(_place(path, each["loc"]), each["msg"].removeprefix("Value error, ")) for each in found]
        raise InvalidField([FieldProblem(place, expected) for place, expected in problems]) from None


def _place(path: str, keys: tuple[int | str, ...]) -> str:
    return path + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)


class Open(BaseModel):
    """Further keys are let in."""

    model_config = ConfigDict(strict=True, extra="allow")


# ---- website_analysis: the steps' outputs -------------------------------------------------------------------------------


class Cta(Open):
    """A call to action. `text` and `placement` are parts of its key, so PostgreSQL must be able to index them."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    type: _CtaType
    href: Annotated[str, StringConstraints(max_length=4096, pattern=_HREF)]
    placement: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    conversion_potential: Annotated[int, Field(ge=0, le=100)]
    data_source: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class _BrandColors(Open):
    primary: str
    secondary: str
    accent: str


class _Analysis(Open):
    businessType: str
    businessName: str
    decisionMakers: str
    endUsers: str
    targetAudience: NotBlank
    contentFocus: str
    brandVoice: str
    brandColors: _BrandColors
    description: str
    businessModel: str
    websiteGoals: str
    blogStrategy: str
    searchBehavior: str
    connectionMessage: str


class AnalyzedPage(Open):
    """What is kept of the output of `analyze_website`."""

    analysis: _Analysis
    ctas: Annotated[Items[Cta], Field(max_length=MAX_CTAS)]


def _decoded(text: Any) -> bytes:
    content = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    if not 1 <= len(content) <= MAX_IMAGE:
        raise ValueError(f"expected 1 to {MAX_IMAGE} bytes in base64")
    return content


class Image(Open):
    """A picture, and the name under which it is found."""

    name: _ImageName
    content_type: str
    content: Annotated[bytes, BeforeValidator(_decoded), Field(alias="base64")]

    @model_validator(mode="after")
    def _is_what_it_says(self) -> Self:
        if IMAGE_TYPES.get(self.content_type) != self.name.rpartition(".")[2]:
            raise ValueError(f"expected a content_type of {', '.join(IMAGE_TYPES)}, and the name's ending to be its")
        return self


class DrawnImages(Open):
    """The output of `generate_images`; None: could not be made."""

    images: Annotated[Items[Image | None], Field(max_length=MAX_SCENARIOS)]


# ---- website_analysis: the result ---------------------------------------------------------------------------------------


class _TargetSegment(Open):
    demographics: str
    psychographics: str
    searchBehavior: str


class _BusinessValue(Open):
    searchVolume: str
    competition: str
    conversionPotential: str
    priority: int


class _ContentIdea(Open):
    title: str
    searchIntent: str
    businessAlignment: str


class _Scenario(Open):
    customerProblem: str
    targetSegment: _TargetSegment
    businessValue: _BusinessValue
    customerLanguage: Items[str]
    seoKeywords: Items[str]
    conversionPath: str
    contentIdeas: Items[_ContentIdea]
    pitch: NotBlank
    imageUrl: str | None


class _Metadata(Open):
    title: str
    headings: Items[str]


class AnalysisResult(BaseModel):
    """What the pipeline says at the end: the result without the ids, which are known to the database alone."""

    model_config = ConfigDict(strict=True, extra="forbid")

    success: Literal[True]
    url: str
    scrapedAt: Annotated[AwareDatetime, Field(strict=False)]
    analysis: _Analysis
    metadata: _Metadata
    scenarios: Annotated[Items[_Scenario], Field(min_length=4, max_length=MAX_SCENARIOS)]
    ctas: Annotated[Items[Cta], Field(max_length=MAX_SHOWN_CTAS)]
    ctaCount: int
    hasSufficientCTAs: bool

    @model_validator(mode="after")
    def _counts_right(self) -> Self:
        if self.ctaCount != len(self.ctas) or self.hasSufficientCTAs != (self.ctaCount >= SUFFICIENT_CTAS):
            raise ValueError("expected ctaCount and hasSufficientCTAs to say how many ctas there are")
        return self
