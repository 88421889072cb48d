"""Pictures without a model: the scenario's title beside a composition of fitting icons in the brand's colours.

The same request always gives the same bytes; another title, business or index gives another picture.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from hashlib import blake2b
from random import Random

from jobline_worker.providers.images import Image, ImageRequest
from jobline_worker.providers.images.lettering import LEADING, clean, fit_line, fit_lines, reads_right_to_left
from jobline_worker.providers.images.motifs import choose_motif
from jobline_worker.providers.images.palette import Scheme
from jobline_worker.providers.images.scenes import HEIGHT, SCENES, WIDTH
from jobline_worker.providers.images.svg import Canvas

__all__ = ["EmbeddedImageMaker"]

#: Where the text stands, in pixels.
_LEFT, _BOX, _TOP, _BOTTOM = 72, 570, 70, 486
_LABEL_SIZE, _LABEL_BASELINE = 27, 561
_BAR = (64, 8)
#: How far capitals rise above the baseline, in font sizes.
_CAP_HEIGHT = 0.73


class EmbeddedImageMaker:
    async def draw(self, request: ImageRequest) -> Image:
        return Image("image/svg+xml", await asyncio.to_thread(_picture, request))


def _picture(request: ImageRequest) -> bytes:
    scene = SCENES[(_seed(request.business) + request.index) % len(SCENES)]
    scheme = scene.scheme(request.colors)
    icons = _turned(choose_motif(request.title, request.hint).icons, request.index)
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.title(clean(f"{request.title} – {request.business}"))
    canvas.rect(0, 0, WIDTH, HEIGHT, scheme.ground)
    scene.compose(canvas, scheme, icons, Random(_seed(request.title, request.business, str(request.index))))
    _write_title(canvas, scheme, request.title)
    _write_label(canvas, scheme, request.business)
    return canvas.bytes()


def _seed(*parts: str) -> int:
    """A number that is the same in every process; str's own hash is not."""
    digest = blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=8)
    return int.from_bytes(digest.digest())


def _turned(icons: Sequence[str], index: int) -> Sequence[str]:
    """Another icon first for each picture, so that pictures with one motif still differ."""
    first = index % len(icons)
    return (*icons[first:], *icons[:first])


def _write_title(canvas: Canvas, scheme: Scheme, title: str) -> None:
    """The lines, centred between the top of the box and its bottom."""
    lettering = fit_lines(title, _BOX)
    right_to_left = reads_right_to_left(title)
    height = lettering.size * (LEADING * (len(lettering.lines) - 1) + _CAP_HEIGHT)
    baseline = (_TOP + _BOTTOM - height) / 2 + lettering.size * _CAP_HEIGHT
    for number, line in enumerate(lettering.lines):
        y = baseline + number * lettering.size * LEADING
        canvas.text(_start(right_to_left), y, line, scheme.title, lettering.size, right_to_left=right_to_left)


def _write_label(canvas: Canvas, scheme: Scheme, business: str) -> None:
    right_to_left = reads_right_to_left(business)
    width, height = _BAR
    bar_x = _LEFT + _BOX - width if right_to_left else _LEFT
    canvas.rect(bar_x, _LABEL_BASELINE - 52, width, height, scheme.pop, rx=height / 2)
    line = fit_line(business, _BOX, _LABEL_SIZE)
    canvas.text(_start(right_to_left), _LABEL_BASELINE, line, scheme.label, _LABEL_SIZE, right_to_left=right_to_left)


def _start(right_to_left: bool) -> int:
    return _LEFT + _BOX if right_to_left else _LEFT
