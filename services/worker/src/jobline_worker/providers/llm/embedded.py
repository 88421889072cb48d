"""The language model that needs no model: each task is answered by a deterministic function of its inputs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from jobline.worker import PermanentError
from jobline_worker.providers.llm import Completion, Reply
from jobline_worker.providers.llm.tokens import counted

__all__ = ["EmbeddedLanguageModel", "EmbeddedTask"]

#: From a completion's inputs to the answer's text (JSON where the task has a schema).
EmbeddedTask = Callable[[Mapping[str, Any]], str]


class EmbeddedLanguageModel:
    """Dispatches on the task's name. The functions belong to the pipelines, which register them."""

    def __init__(self, tasks: Mapping[str, EmbeddedTask]) -> None:
        self._tasks = dict(tasks)

    @property
    def name(self) -> str:
        return "embedded"

    async def complete(self, request: Completion) -> Reply:
        """Runs the task's function in a thread; the tokens are those of the answer, for nothing else is read or written.

        Raises PermanentError for a task nobody registered.
        """
        task = self._tasks.get(request.task)
        if task is None:
            raise PermanentError(f"the embedded language model has no task {request.task!r}; set JOBLINE_LLM_URL")
        text = await asyncio.to_thread(task, request.inputs)
        return Reply(text, counted(text))
