"""Questions to a language model whose answers must have a given structure.

A model's answer is input from outside: it is parsed and checked against a pydantic model, and one that does not pass is
asked for again with the complaint. Wrong answers and transient errors share one budget of calls, so that a provider that
fails in turns in both ways cannot make a run dear; after a wrong answer the next call is made at once, after an error it
waits. Callers need no `Run.attempt` around `ask`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from jobline.worker import TransientError, TriesExhausted
from jobline_worker.providers.errors import BadAnswer, ProviderTimeout, excerpt
from jobline_worker.providers.llm import Completion, LanguageModel
from jobline_worker.providers.llm.json_answers import json_object
from jobline_worker.providers.storable import storable

__all__ = ["ask", "strict_schema"]

M = TypeVar("M", bound=BaseModel)

#: How much of what is wrong is told: to the model, which can use every hint, and to users.
_COMPLAINTS, _COMPLAINT_LENGTH = 5, 600

#: What a strict schema of OpenAI may not have. Pydantic checks these all the same.
_NOT_STRICT = frozenset({"default", "maxLength", "minLength"})

#: Seconds before the call after a transient error: full jitter below 0.5, 1, 2 … 8.
_WAIT = wait_random_exponential(multiplier=0.5, max=8.0)


async def ask(
    llm: LanguageModel,
    completion: Completion,
    model: type[M],
    *,
    tries: int = 3,
    seconds: float = 90.0,
    context: Mapping[str, Any] | None = None,
) -> tuple[M, int]:
    """The answer as a `model`, and the tokens of all calls that were answered.

    `completion` needs no schema: the model's is sent. Validators of the model get `context` and raise ValueError with a
    sentence that a language model can act on. At most `tries` calls are made, each of at most `seconds`. Raises BadAnswer
    when the last one brought a wrong answer, TriesExhausted when it brought none, and PermanentError as the provider does.
    """
    inquiry = _Inquiry(llm, replace(completion, schema=strict_schema(model)), model, seconds, context)
    attempts = AsyncRetrying(
        retry=retry_if_exception_type(TransientError),
        stop=stop_after_attempt(tries),
        wait=_wait,
        retry_error_callback=_give_up,
    )
    return await attempts(inquiry.once), inquiry.tokens


class _Inquiry(Generic[M]):
    """One question, asked until its answer is good; what the last answer lacked goes along."""

    def __init__(
        self,
        llm: LanguageModel,
        question: Completion,
        model: type[M],
        seconds: float,
        context: Mapping[str, Any] | None,
    ) -> None:
        self._llm = llm
        self._question = question
        self._model = model
        self._seconds = seconds
        self._context = context
        self._complaint = ""
        self.tokens = 0

    async def once(self) -> M:
        question = self._question
        if self._complaint:
            again = f"Your last answer could not be used: {self._complaint}. Answer again, without that mistake."
            question = replace(question, prompt=f"{question.prompt}\n\n{again}")
        try:
            async with asyncio.timeout(self._seconds):
                reply = await self._llm.complete(question)
        except TimeoutError as error:
            raise ProviderTimeout("language model", self._seconds) from error
        self.tokens += reply.tokens
        try:
            # A long answer takes a while to check, and one that is made to hurt takes longer.
            return await asyncio.to_thread(self._read, reply.text)
        except ValueError as error:
            self._complaint = _complaint(error)
            raise BadAnswer(f"language model sent an answer that cannot be used: {self._complaint}") from error

    def _read(self, text: str) -> M:
        """Raises ValueError (which pydantic's ValidationError is) for what is not as it should be."""
        found = json_object(text)
        if found is None:
            raise ValueError("it has no complete JSON object")
        return self._model.model_validate(_storable(found), context=self._context)


def _storable(value: Any) -> Any:
    """The value with storable texts: an escape in the JSON may have hidden a NUL from whoever read the answer's text."""
    match value:
        case str():
            return storable(value)
        case list():
            return [_storable(each) for each in value]
        case dict():
            return {key: _storable(each) for key, each in value.items()}
        case _:
            return value


def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The model's JSON schema in the strict form that OpenAI's structured outputs want.

    Every property is required, no other is allowed, and bounds of texts and defaults are left out. A model for answers
    has no field whose keys are free.
    """
    schema: dict[str, Any] = _strict(model.model_json_schema())
    return schema


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    # The names below `properties` and `$defs` are the model's, not the schema language's.
    strict = {
        key: {name: _strict(each) for name, each in value.items()} if key in ("properties", "$defs") else _strict(value)
        for key, value in node.items()
        if key not in _NOT_STRICT
    }
    if "properties" in strict:
        strict |= {"required": list(strict["properties"]), "additionalProperties": False}
    return strict


def _complaint(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return excerpt("; ".join(_faults(error)), length=_COMPLAINT_LENGTH)


def _faults(error: ValidationError) -> Iterator[str]:
    """What is wrong where, without the values: those are long, and the model has just written them."""
    for fault in error.errors(include_url=False, include_input=False, include_context=False)[:_COMPLAINTS]:
        where = ".".join(str(part) for part in fault["loc"])
        what = fault["msg"].removeprefix("Value error, ")
        yield f"{where}: {what}" if where else what


def _wait(state: RetryCallState) -> float:
    assert state.outcome is not None
    return 0.0 if isinstance(state.outcome.exception(), BadAnswer) else _WAIT(state)


def _give_up(state: RetryCallState) -> Any:
    assert state.outcome is not None
    cause = state.outcome.exception()
    assert isinstance(cause, TransientError)
    if isinstance(cause, BadAnswer):
        raise BadAnswer(f"{cause} (after {state.attempt_number} attempts)") from cause
    raise TriesExhausted(cause, state.attempt_number) from cause
