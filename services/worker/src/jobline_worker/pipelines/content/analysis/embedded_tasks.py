"""What the embedded language model answers in the three steps, in the same JSON that a model is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobline_worker.pipelines.content.analysis.embedded import audiences, pitches, portrait
from jobline_worker.pipelines.content.analysis.prompts import ANALYZE_TASK, AUDIENCES_TASK, PITCHES_TASK
from jobline_worker.pipelines.content.analysis.schemas import Pitches
from jobline_worker.providers.llm.embedded import EmbeddedTask

__all__ = ["EMBEDDED_TASKS"]


def _analyze(inputs: Mapping[str, Any]) -> str:
    return portrait(inputs["page"]).model_dump_json()


def _audiences(inputs: Mapping[str, Any]) -> str:
    return audiences(inputs["page"]).model_dump_json()


def _pitches(inputs: Mapping[str, Any]) -> str:
    return Pitches(pitches=pitches(inputs["page"], inputs["scenarios"])).model_dump_json()


EMBEDDED_TASKS: Mapping[str, EmbeddedTask] = {
    ANALYZE_TASK: _analyze,
    AUDIENCES_TASK: _audiences,
    PITCHES_TASK: _pitches,
}
