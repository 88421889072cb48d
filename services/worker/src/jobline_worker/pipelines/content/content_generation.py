"""`content_generation`: one post about a topic, from outline to the result that is saved and shown.

The outline keeps what was known of the organization, so that the later steps, and a later run, write from the same. Each
step stores its answer with what it cost; nothing is saved here: that is the queue service's, in the transaction that ends
the job.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import BaseModel

from jobline.worker import JobFailure, Run, pipeline, step
from jobline_worker.pipelines.content.failures import failure_of
from jobline_worker.pipelines.content.generation.answers import Draft, Outline, Post
from jobline_worker.pipelines.content.generation.brief import Brief, brief_of
from jobline_worker.pipelines.content.generation.prompts import draft_request, outline_request, polish_request
from jobline_worker.pipelines.content.generation.result import Making, result_of, scored
from jobline_worker.pipelines.content.generation.seo_score import SeoScore
from jobline_worker.providers.llm import Completion, LanguageModel
from jobline_worker.providers.llm.structured import ask
from jobline_worker.providers.organizations import Organizations

__all__ = ["GenerateContent"]

_M = TypeVar("_M", bound=BaseModel)

#: Seconds that one call of the language model may take: a whole text is written in it.
SECONDS = 90.0


@pipeline("content_generation")
class GenerateContent:
    """The outputs of the steps are private to this class; the result is the jobs API's, without what was saved."""

    def __init__(self, llm: LanguageModel, organizations: Organizations, seconds: float = SECONDS) -> None:
        self._llm = llm
        self._organizations = organizations
        self._seconds = seconds

    @step
    async def outline(self, run: Run) -> dict[str, Any]:
        brief = brief_of(run.payload, await self._organizations.of(run))
        outline, tokens = await self._ask(outline_request(brief), Outline, brief)
        return {"brief": brief.model_dump(), "outline": outline.model_dump(), "tokens": tokens}

    @step
    async def draft(self, run: Run) -> dict[str, Any]:
        brief, outline = _outlined(run)
        draft, tokens = await self._ask(draft_request(brief, outline), Draft, brief)
        return {"draft": draft.model_dump(), "tokens": tokens}

    @step
    async def polish(self, run: Run) -> dict[str, Any]:
        brief, outline = _outlined(run)
        draft = Draft.model_validate(run.outputs["draft"]["draft"], context=_context(brief))
        post, tokens = await self._ask(polish_request(brief, outline, draft), Post, brief)
        seo = await asyncio.to_thread(scored, brief, post)
        at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return {"post": post.model_dump(), "seo": asdict(seo), "tokens": tokens, "model": self._llm.name, "at": at}

    def result(self, run: Run) -> dict[str, Any]:
        """Time and tokens count all the steps, those of an earlier run included."""
        brief, _ = _outlined(run)
        last = run.outputs["polish"]
        post = Post.model_validate(last["post"], context=_context(brief))
        tokens = sum(output["tokens"] for output in run.outputs.values())
        making = Making(last["model"], round(1000 * sum(run.seconds.values())), tokens, last["at"])
        return result_of(run.payload, brief, post, SeoScore(**last["seo"]), making)

    def failure(self, step: str, error: BaseException) -> JobFailure:
        return failure_of(error)

    async def _ask(self, completion: Completion, model: type[_M], brief: Brief) -> tuple[_M, int]:
        return await ask(self._llm, completion, model, seconds=self._seconds, context=_context(brief))


def _outlined(run: Run) -> tuple[Brief, Outline]:
    output = run.outputs["outline"]
    return Brief.model_validate(output["brief"]), Outline.model_validate(output["outline"])


def _context(brief: Brief) -> dict[str, Any]:
    return {"host": brief.host, "placeholders": brief.include_visuals}
