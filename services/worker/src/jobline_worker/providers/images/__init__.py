"""Making one picture for one scenario of a business."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

__all__ = ["MAX_IMAGE_BYTES", "BrandPalette", "Image", "ImageMaker", "ImageRequest"]

#: No picture is larger, in bytes: five of them, in base64, fit into the output of one step.
MAX_IMAGE_BYTES = 36 * 1024

_ENDINGS = {"image/svg+xml": "svg", "image/webp": "webp"}


class BrandPalette(NamedTuple):
    """A business's colours as CSS writes them. What cannot be read as a colour is replaced by a quiet one."""

    primary: str
    secondary: str
    accent: str


@dataclass(frozen=True)
class ImageRequest:
    """What the picture is about. All of it is text from outside, and may be anything.

    `title` is the scenario's headline and stands in drawn pictures. `hint` holds more words about the scenario and
    the business (its kind, its audience, keywords), from which the motif is chosen. `index` tells the pictures of
    one business apart: neighbours get different compositions.
    """

    title: str
    business: str
    colors: BrandPalette
    hint: str = ""
    index: int = 0


@dataclass(frozen=True)
class Image:
    """A picture that is safe to serve as it is: no script, no reference to elsewhere, no metadata."""

    content_type: str
    content: bytes

    @property
    def ending(self) -> str:
        """What a file of this type ends in, without the dot."""
        return _ENDINGS[self.content_type]


class ImageMaker(Protocol):
    async def draw(self, request: ImageRequest) -> Image:
        """The picture, at most MAX_IMAGE_BYTES long. Raises TransientError or PermanentError."""
        ...
