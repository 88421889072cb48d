"""`generate_email`: the four steps in order, what they leave behind, and how their failures read."""

from __future__ import annotations

from typing import Any

from jobline.worker import JobFailure, Run, pipeline, step
from jobline_worker.pipelines.email.arxiv_helper import find_papers, is_for_research
from jobline_worker.pipelines.email.email_composer import compose_email
from jobline_worker.pipelines.email.failures import failure_of
from jobline_worker.pipelines.email.request import EmailRequest
from jobline_worker.pipelines.email.template_parser import parse_template
from jobline_worker.pipelines.email.web_scraper import scrape_web
from jobline_worker.providers.bundle import Providers

__all__ = ["GenerateEmail"]

_STEPS_WITH_WARNINGS = ("web_scraper", "arxiv_helper", "email_composer")


@pipeline("generate_email")
class GenerateEmail:
    """One personal e-mail for one recipient. The steps' names are what clients see as `current_step`."""

    def __init__(self, providers: Providers) -> None:
        self._providers = providers

    @step
    async def template_parser(self, run: Run) -> dict[str, Any]:
        return await parse_template(run, self._providers.llm)

    @step
    async def web_scraper(self, run: Run) -> dict[str, Any]:
        return await scrape_web(run, self._providers.search, self._providers.pages)

    @step(when=lambda self, run: is_for_research(run))
    async def arxiv_helper(self, run: Run) -> dict[str, Any]:
        return await find_papers(run, self._providers.arxiv)

    @step
    async def email_composer(self, run: Run) -> dict[str, Any]:
        return await compose_email(run, self._providers.llm)

    def result(self, run: Run) -> dict[str, Any]:
        """Everything the e-mail row needs; the queue service stores it in the transaction that ends the job."""
        request = EmailRequest.from_payload(run.payload)
        parsed, composed = run.outputs["template_parser"], run.outputs["email_composer"]
        return {
            "recipient_name": request.name,
            "recipient_interest": request.interest,
            "email_message": composed["email_message"],
            "template_type": parsed["template_type"],
            "is_confident": composed["is_confident"],
            "metadata": _metadata(run),
        }

    def failure(self, step: str, error: BaseException) -> JobFailure:
        return failure_of(step, error)


def _metadata(run: Run) -> dict[str, Any]:
    """How the e-mail came about. Times are seconds; a skipped step has no entry among the timings."""
    parsed, scraped = run.outputs["template_parser"], run.outputs["web_scraper"]
    composed = run.outputs["email_composer"]
    papers = run.outputs.get("arxiv_helper", {}).get("arxiv_papers", [])
    return {
        "search_terms": parsed["search_terms"],
        "sources": scraped["sources"],
        "scraped_urls": scraped["scraped_urls"],
        "papers_used": composed["papers_used"],
        "arxiv_papers": [{key: paper[key] for key in ("title", "arxiv_url", "year")} for paper in papers],
        "step_timings": {name: round(seconds, 3) for name, seconds in run.seconds.items()},
        "generation_time": round(run.elapsed, 3),
        "model": composed["model"],
        "temperature": composed["temperature"],
        "warnings": [
            warning for name in _STEPS_WITH_WARNINGS for warning in run.outputs.get(name, {}).get("warnings", [])
        ],
    }
