"""Asking a language model for one text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["Completion", "LanguageModel", "Reply"]


@dataclass(frozen=True)
class Completion:
    """One question to a language model.

    `task` names what is asked (`email.compose`) and `inputs` holds its parts: a provider without a model answers from
    these alone. `system` and `prompt` say the same in words, for a model. `schema` is the JSON schema of a structured
    answer, None for free text. `max_tokens` bounds the answer.
    """

    task: str
    system: str
    prompt: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    schema: Mapping[str, Any] | None = None
    temperature: float = 0.7
    max_tokens: int = 2048


@dataclass(frozen=True)
class Reply:
    """What a language model answered, and how many tokens question and answer took: the server's count where it gives one."""

    text: str
    tokens: int


class LanguageModel(Protocol):
    @property
    def name(self) -> str:
        """What the results are labelled with: the model's name, or `embedded`."""
        ...

    async def complete(self, request: Completion) -> Reply:
        """The answer, whose text is never empty. Raises TransientError (worth another try) or PermanentError."""
        ...
