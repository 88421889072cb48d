"""Step 3, for research templates only: the recipient's recent papers.

Papers are a bonus. Whatever goes wrong here becomes a warning beside the e-mail, never a failed item.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

from jobline.worker import Run
from jobline_worker.pipelines.email.failures import cause_text
from jobline_worker.pipelines.email.request import EmailRequest
from jobline_worker.providers.arxiv import Paper, PaperSource
from jobline_worker.providers.person_names import bare_name

__all__ = ["find_papers", "is_for_research", "recent_papers"]

logger = logging.getLogger(__name__)

#: Time limit of the whole step in seconds, all tries and the waits for arXiv's spacing included.
TIMEOUT = 30.0
FETCHED = 15
KEPT = 5
YEARS = 10


def is_for_research(run: Run) -> bool:
    """Whether the step runs at all."""
    return bool(run.outputs["template_parser"]["template_type"] == "research")


async def find_papers(run: Run, source: PaperSource, seconds: float = TIMEOUT) -> dict[str, Any]:
    """The step: `arxiv_papers`, newest first, and `warnings`. Raises nothing but cancellation."""
    request = EmailRequest.from_payload(run.payload)
    author = bare_name(request.name)
    try:
        async with asyncio.timeout(seconds):
            papers = await run.attempt(lambda: source.papers_by(author, FETCHED), timeout=seconds)
    except Exception as error:
        logger.info("no papers: %s", cause_text(error))
        return {"arxiv_papers": [], "warnings": [f"arxiv_helper: {cause_text(error)}"]}
    today = datetime.now(UTC).date()
    return {"arxiv_papers": [asdict(paper) for paper in recent_papers(papers, today)], "warnings": []}


def recent_papers(papers: Sequence[Paper], today: date) -> list[Paper]:
    """At most five papers of the ten years before `today`, newest first."""
    oldest = f"{today.year - YEARS:04}-{today.month:02}-{today.day:02}"
    recent = [paper for paper in papers if paper.published_date >= oldest]
    return sorted(recent, key=lambda paper: paper.published_date, reverse=True)[:KEPT]
