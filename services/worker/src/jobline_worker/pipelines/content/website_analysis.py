"""`website_analysis`: a page is fetched and read, its business described, its audiences found, pitched to and pictured.

Each step leaves all that the later ones need, so that a run that is lost goes on in another process without fetching the
page or asking a language model twice for the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from jobline.worker import JobFailure, PermanentError, Run, pipeline, step
from jobline_worker.pipelines.content.analysis.material import Material, fitting, page_material
from jobline_worker.pipelines.content.analysis.pictures import draw_pictures
from jobline_worker.pipelines.content.analysis.questions import ask_for_audiences, ask_for_pitches, ask_for_portrait
from jobline_worker.pipelines.content.analysis.schemas import Audiences, Portrait
from jobline_worker.pipelines.content.failures import failure_of
from jobline_worker.pipelines.content.page.ctas import Cta, find_ctas
from jobline_worker.pipelines.content.page.extract import extract_facts
from jobline_worker.pipelines.content.page.facts import PageFacts
from jobline_worker.providers.images import BrandPalette, ImageMaker
from jobline_worker.providers.llm import LanguageModel
from jobline_worker.providers.pages import FetchedPage, PageFetcher, PageUnreadable

__all__ = ["AnalyzeWebsite"]

MAX_CTAS, SHOWN_CTAS, SUFFICIENT_CTAS = 50, 5, 3

#: Bytes of all calls to action and of all headings in the first step's output.
MAX_CTA_BYTES, MAX_HEADING_BYTES = 40_000, 20_000

#: Seconds that one call of a provider may take.
SECONDS = 90.0

#: Characters of the address that a message repeats, which has to leave room for the reason.
MAX_URL_SHOWN = 400


@pipeline("website_analysis")
class AnalyzeWebsite:
    """Payload `{"url"}`. The steps' names are what the queue service makes labels and effects of."""

    def __init__(self, llm: LanguageModel, pages: PageFetcher, images: ImageMaker, seconds: float = SECONDS) -> None:
        self._llm = llm
        self._pages = pages
        self._images = images
        self._seconds = seconds

    @step
    async def analyze_website(self, run: Run) -> dict[str, Any]:
        """`scrapedAt`, `analysis`, `metadata`, `ctas`, `page` and `tokens`."""
        run.progress(5, 100)
        fetched = await _fetched(self._pages, run.payload["url"])
        scraped_at = datetime.now(UTC)
        run.progress(40)
        facts, ctas = await asyncio.to_thread(_read, fetched)
        page = page_material(facts, ctas)
        run.progress(60)
        portrait, tokens = await ask_for_portrait(self._llm, page, self._seconds)
        run.progress(95)
        return {
            "scrapedAt": scraped_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "analysis": _analysis(portrait, facts),
            "metadata": {"title": facts.title, "headings": _headings(facts)},
            "ctas": _ctas(ctas),
            "page": page.model_dump(mode="json"),
            "tokens": tokens,
        }

    @step
    async def generate_audiences(self, run: Run) -> dict[str, Any]:
        """`scenarios` and `tokens`."""
        page, portrait = _page(run), _portrait(run)
        run.progress(10, 100)
        audiences, tokens = await ask_for_audiences(self._llm, page, portrait, self._seconds)
        run.progress(95)
        return {**audiences.model_dump(mode="json"), "tokens": tokens}

    @step
    async def generate_pitches(self, run: Run) -> dict[str, Any]:
        """`pitches`, in the order of the scenarios, and `tokens`."""
        page, portrait, scenarios = _page(run), _portrait(run), _audiences(run).scenarios
        run.progress(10, 100)
        pitches, tokens = await ask_for_pitches(self._llm, page, portrait, scenarios, self._seconds)
        run.progress(95)
        return {**pitches.model_dump(mode="json"), "tokens": tokens}

    @step
    async def generate_images(self, run: Run) -> dict[str, Any]:
        """`images`, in the order of the scenarios: `{"name", "content_type", "base64"}` or None."""
        scenarios = _audiences(run).scenarios
        colors = BrandPalette(**run.outputs["analyze_website"]["analysis"]["brandColors"])

        def told(done: int) -> None:
            run.progress(95 * done // len(scenarios), 100)

        return {"images": await draw_pictures(self._images, _portrait(run), colors, scenarios, told, self._seconds)}

    def result(self, run: Run) -> dict[str, Any]:
        """The result of the jobs API but for ids, which the queue service puts in; image addresses are paths."""
        first = run.outputs["analyze_website"]
        ctas = first["ctas"][:SHOWN_CTAS]
        return {
            "success": True,
            "url": run.payload["url"],
            "scrapedAt": first["scrapedAt"],
            "analysis": first["analysis"],
            "metadata": first["metadata"],
            "scenarios": _scenarios(run),
            "ctas": ctas,
            "ctaCount": len(ctas),
            "hasSufficientCTAs": len(ctas) >= SUFFICIENT_CTAS,
        }

    def failure(self, step: str, error: BaseException) -> JobFailure:
        return failure_of(error)


async def _fetched(pages: PageFetcher, url: str) -> FetchedPage:
    try:
        return await pages.fetch(url)
    except PageUnreadable as error:
        shown = url if len(url) <= MAX_URL_SHOWN else f"{url[: MAX_URL_SHOWN - 1]}…"
        raise PermanentError(f"Could not fetch {shown}: {error}", code="FETCH_FAILED") from error


def _read(page: FetchedPage) -> tuple[PageFacts, tuple[Cta, ...]]:
    """The page's facts and calls to action: some tens of milliseconds of work, so not for the event loop."""
    facts = extract_facts(page.body, page.content_type, page.final_url)
    return facts, find_ctas(facts)


def _analysis(portrait: Portrait, facts: PageFacts) -> dict[str, Any]:
    """Colours are never the model's to say: they stand in the page's styles."""
    analysis: dict[str, Any] = {}
    for key, value in portrait.model_dump().items():
        analysis[key] = value
        if key == "brandVoice":
            analysis["brandColors"] = asdict(facts.colors)
    return analysis


def _headings(facts: PageFacts) -> list[str]:
    return list(fitting((heading.text for heading in facts.headings), MAX_HEADING_BYTES))


def _ctas(ctas: Sequence[Cta]) -> list[dict[str, Any]]:
    """The best ones as rows of the result, all with different text or placement."""
    rows = ({**asdict(cta), "data_source": "scraped"} for cta in ctas[:MAX_CTAS])
    return list(fitting(rows, MAX_CTA_BYTES))


def _scenarios(run: Run) -> list[dict[str, Any]]:
    audiences, pitches = run.outputs["generate_audiences"]["scenarios"], run.outputs["generate_pitches"]["pitches"]
    images = run.outputs["generate_images"]["images"]
    return [
        {**scenario, "pitch": pitch, "imageUrl": f"/media/{image['name']}" if image else None}
        for scenario, pitch, image in zip(audiences, pitches, images, strict=True)
    ]


def _page(run: Run) -> Material:
    return Material.model_validate(run.outputs["analyze_website"]["page"])


def _portrait(run: Run) -> Portrait:
    return Portrait.model_validate(run.outputs["analyze_website"]["analysis"])


def _audiences(run: Run) -> Audiences:
    return Audiences.model_validate(run.outputs["generate_audiences"])
