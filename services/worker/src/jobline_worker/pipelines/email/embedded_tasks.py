"""What the embedded language model answers for this pipeline, in the same JSON that a model is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jobline_worker.pipelines.email.embedded import ComposeInputs, compose, search_terms
from jobline_worker.pipelines.email.prompts import COMPOSE_TASK, SEARCH_TERMS_TASK
from jobline_worker.providers.llm.embedded import EmbeddedTask

__all__ = ["EMBEDDED_TASKS"]


def _search_terms(inputs: Mapping[str, Any]) -> str:
    return json.dumps({"search_terms": search_terms(inputs["template"], inputs["name"], inputs["interest"])})


def _compose(inputs: Mapping[str, Any]) -> str:
    answer = compose(ComposeInputs(**inputs))
    return json.dumps({"email": answer.email, "is_confident": answer.is_confident})


EMBEDDED_TASKS: Mapping[str, EmbeddedTask] = {SEARCH_TERMS_TASK: _search_terms, COMPOSE_TASK: _compose}
