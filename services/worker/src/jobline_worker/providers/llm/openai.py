"""Any server that speaks OpenAI's chat completions: OpenAI, OpenRouter, LM Studio, Ollama, vLLM, llama.cpp.

These servers differ in how they take a request for a structured answer. The strictest form is asked for first
(`json_schema`); one that says it does not know `response_format` that way is asked again with `json_object`, then
without, and the form that worked is kept for the life of the process. Only a refusal that is about the format counts:
any other 400 is final, so a wrong model name is not asked for three times.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

import httpx

from jobline_worker.providers.errors import BadAnswer, Refused
from jobline_worker.providers.http import HttpProvider
from jobline_worker.providers.llm import Completion, Reply
from jobline_worker.providers.llm.tokens import counted
from jobline_worker.providers.storable import storable

__all__ = ["OpenAiLanguageModel"]

logger = logging.getLogger(__name__)

_FORMATS = ("json_schema", "json_object", "text")
_ABOUT_THE_FORMAT = re.compile(r"response_format|json_schema|json_object|\bschema\b|grammar", re.IGNORECASE)
#: No answer costs more; a larger number is a mistake, and the sum of a job's could not be stored.
_MOST_TOKENS = 10**9
_REASONING = re.compile(r"\A\s*<think>.*?</think>\s*", re.DOTALL)


class OpenAiLanguageModel:
    """`POST {url}/chat/completions` with a bearer key; the answer is the first choice's text."""

    def __init__(
        self, client: httpx.AsyncClient, url: str, model: str, api_key: str = "", timeout: float = 90.0
    ) -> None:
        self._http = HttpProvider(client, "language model", timeout, api_key)
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._model = model
        self._format = 0

    @property
    def name(self) -> str:
        return self._model

    async def complete(self, request: Completion) -> Reply:
        """The answer and its cost. Raises TransientError or PermanentError as providers/errors.py says."""
        first = self._format if request.schema is not None else len(_FORMATS) - 1
        for choice in range(first, len(_FORMATS)):
            try:
                answer = await self._http.post_json(self._url, self._body(request, _FORMATS[choice]))
            except Refused as refusal:
                if choice == len(_FORMATS) - 1 or not _is_about_the_format(refusal):
                    raise
                logger.info("the language model does not take response_format %s", _FORMATS[choice])
                continue
            if request.schema is not None:
                self._format = choice
            return _reply(self._http.decode(answer), request)
        raise AssertionError("the last format either answers or raises")

    def _body(self, request: Completion, response_format: str) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [
                {"role": "system", "content": request.system},
                {"role": "user", "content": request.prompt},
            ],
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
            "stream": False,
        }
        if response_format != "text":
            body["response_format"] = _response_format(response_format, request)
        return body


def _response_format(kind: str, request: Completion) -> dict[str, Any]:
    if kind == "json_object":
        return {"type": "json_object"}
    name = request.task.replace(".", "_")
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": request.schema}}


def _is_about_the_format(refusal: Refused) -> bool:
    return refusal.status in (400, 422) and _ABOUT_THE_FORMAT.search(refusal.body) is not None


def _reply(answer: Any, request: Completion) -> Reply:
    """The answer's text, and the tokens by the server's count where it sends one."""
    text = _text(answer)
    match answer:
        case {"usage": {"total_tokens": int(total)}} if 0 < total <= _MOST_TOKENS and total is not True:
            return Reply(text, total)
        case _:
            return Reply(text, counted(request.system, request.prompt, text))


def _text(answer: Any) -> str:
    """The text of `choices[0].message.content`, which may be one string or a list of text parts."""
    try:
        content = answer["choices"][0]["message"]["content"]
        if isinstance(content, list):
            content = "".join(part["text"] for part in content if isinstance(part, Mapping) and "text" in part)
        text = _REASONING.sub("", content).strip()
    except (KeyError, IndexError, TypeError) as error:
        raise BadAnswer("language model sent an answer without choices[0].message.content") from error
    if not text:
        raise BadAnswer("language model sent an empty answer")
    return storable(text)
