"""A picture for each scenario. One that cannot be made is left out, and the job goes on."""

from __future__ import annotations

import asyncio
import base64
import logging
import uuid
from collections.abc import Callable, Sequence

from jobline_worker.pipelines.content.analysis.schemas import Portrait, Scenario
from jobline_worker.providers.images import MAX_IMAGE_BYTES, BrandPalette, Image, ImageMaker, ImageRequest

__all__ = ["draw_pictures"]

log = logging.getLogger(__name__)


async def draw_pictures(
    maker: ImageMaker,
    portrait: Portrait,
    colors: BrandPalette,
    scenarios: Sequence[Scenario],
    told: Callable[[int], None],
    seconds: float,
) -> list[dict[str, str] | None]:
    """The pictures in the order of the scenarios, None for those that failed. `told` hears how many are done.

    Each picture may take so many `seconds`.
    """
    done = 0

    async def draw(index: int, scenario: Scenario) -> dict[str, str] | None:
        nonlocal done
        picture = await _picture(maker, _request(portrait, colors, index, scenario), seconds)
        done += 1
        told(done)
        return picture

    return list(await asyncio.gather(*(draw(index, scenario) for index, scenario in enumerate(scenarios))))


def _request(portrait: Portrait, colors: BrandPalette, index: int, scenario: Scenario) -> ImageRequest:
    about = [portrait.businessType, *scenario.seoKeywords, scenario.customerProblem, portrait.contentFocus]
    return ImageRequest(scenario.contentIdeas[0].title, portrait.businessName, colors, " ".join(about), index)


async def _picture(maker: ImageMaker, request: ImageRequest, seconds: float) -> dict[str, str] | None:
    """Whatever goes wrong concerns one picture only, faults of ours included."""
    try:
        async with asyncio.timeout(seconds):
            image = await maker.draw(request)
    except Exception as error:
        log.warning("no picture for scenario %d: %s", request.index, type(error).__name__, exc_info=error)
        return None
    return _stored(image) if len(image.content) <= MAX_IMAGE_BYTES else None


def _stored(image: Image) -> dict[str, str]:
    """Under a name that nobody can guess: whoever has it may see the picture."""
    return {
        "name": f"{uuid.uuid4().hex}.{image.ending}",
        "content_type": image.content_type,
        "base64": base64.b64encode(image.content).decode("ascii"),
    }
