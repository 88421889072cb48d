"""From whatever bytes an image server sent to a picture of our own that is small and safe to serve.

Only the pixels survive: the format is read by Pillow's decoders for PNG, JPEG and WebP alone (SVG, which can carry
scripts, is none of them), and written anew as WebP without metadata. Sizes are checked before a pixel is decoded.
"""

from __future__ import annotations

import math
import struct
from io import BytesIO

from PIL import Image as Pixels
from PIL import ImageOps, UnidentifiedImageError

from jobline_worker.providers.images import MAX_IMAGE_BYTES, Image

__all__ = ["MAX_PIXELS", "UnusableImage", "reencoded"]

#: Larger pictures are not decoded; each pixel takes up to ten bytes of memory on the way.
MAX_PIXELS = 8 * 1024 * 1024

_READ_FORMATS = ("PNG", "JPEG", "WEBP")
#: The longest side of the result, in pixels, unless the picture does not fit its bytes.
_LONGEST_SIDE = 1200
_SMALLEST_SIDE = 32
_QUALITIES = (82, 72, 60)
_SHRINK = 0.85

#: What decoders raise for damaged, cut and hostile files.
_DAMAGE = (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error, TypeError)


class UnusableImage(Exception):
    """The bytes are no picture that is taken; the message says why, in words fit for the user."""


def reencoded(content: bytes) -> Image:
    """The picture as WebP of at most MAX_IMAGE_BYTES, scaled down as far as that needs. Raises UnusableImage.

    Takes up to a second of processor time: call it in a thread.
    """
    pixels = _decoded(content)
    while True:
        for quality in _QUALITIES:
            webp = _webp(pixels, quality)
            if len(webp) <= MAX_IMAGE_BYTES:
                return Image("image/webp", webp)
        pixels = _scaled(pixels, min(_SHRINK, math.sqrt(MAX_IMAGE_BYTES / len(webp))))


def _decoded(content: bytes) -> Pixels.Image:
    """The first frame, upright, on white, no larger than needed, and without anything but its pixels."""
    try:
        with Pixels.open(BytesIO(content), formats=_READ_FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise UnusableImage(f"a picture of more than {MAX_PIXELS // 1024 // 1024} megapixels")
            picture.draft("RGB", (_LONGEST_SIDE, _LONGEST_SIDE))
            upright = ImageOps.exif_transpose(picture).convert("RGBA")
    except Pixels.DecompressionBombError as error:
        raise UnusableImage(f"a picture of more than {MAX_PIXELS // 1024 // 1024} megapixels") from error
    except _DAMAGE as error:
        raise UnusableImage("not a readable PNG, JPEG or WebP picture") from error
    if min(upright.size) < _SMALLEST_SIDE:
        raise UnusableImage("a picture too small to be shown")
    upright.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    flat = Pixels.new("RGB", upright.size, "white")
    flat.paste(upright, mask=upright.getchannel("A"))
    return flat


def _scaled(pixels: Pixels.Image, factor: float) -> Pixels.Image:
    return pixels.resize((max(1, round(pixels.width * factor)), max(1, round(pixels.height * factor))))


def _webp(pixels: Pixels.Image, quality: int) -> bytes:
    buffer = BytesIO()
    pixels.save(buffer, "WEBP", quality=quality, method=4)
    return buffer.getvalue()
