"""What the embedded language model answers for this pipeline, in the same JSON that a model is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jobline_worker.pipelines.content.generation.embedded import plan_of, polished
from jobline_worker.pipelines.content.generation.embedded.polishing import keywords_of, subtitle_of
from jobline_worker.pipelines.content.generation.prompts import DRAFT_TASK, OUTLINE_TASK, POLISH_TASK
from jobline_worker.providers.llm.embedded import EmbeddedTask

__all__ = ["EMBEDDED_TASKS"]


def _outline(inputs: Mapping[str, Any]) -> str:
    brief = inputs["brief"]
    plan = plan_of(brief)
    sections = [
        {"heading": part.heading[:160], "points": [point[:300] for point in part.points]} for part in plan.sections
    ]
    outline = {"subtitle": subtitle_of(brief, plan), "keywords": keywords_of(brief, plan), "sections": sections}
    return json.dumps(outline, ensure_ascii=False)


def _draft(inputs: Mapping[str, Any]) -> str:
    return json.dumps({"content": plan_of(inputs["brief"]).markdown}, ensure_ascii=False)


def _polish(inputs: Mapping[str, Any]) -> str:
    brief = inputs["brief"]
    return json.dumps(polished(brief, plan_of(brief), inputs["draft"]), ensure_ascii=False)


EMBEDDED_TASKS: Mapping[str, EmbeddedTask] = {OUTLINE_TASK: _outline, DRAFT_TASK: _draft, POLISH_TASK: _polish}
