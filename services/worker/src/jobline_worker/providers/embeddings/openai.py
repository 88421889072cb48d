"""Any server that speaks OpenAI's embeddings: OpenAI, Ollama, vLLM, llama.cpp, LM Studio, text-embeddings-inference.

A long text is cut: servers refuse what is longer than their model's context, and with it every other text of the request.
One that says when it may be asked again is taken at its word once, if that is soon; then the caller's own patience counts.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import httpx

from jobline_worker.providers.embeddings import EmbeddingMismatch, Vector
from jobline_worker.providers.errors import BadAnswer, TemporarilyRefused
from jobline_worker.providers.http import HttpProvider

__all__ = ["OpenAiEmbedder"]

#: 25 vectors of 4096 numbers, each written with 20 digits, take 2.5 MB.
_MAX_ANSWER_BYTES = 8 * 1024 * 1024
#: Of a text, in characters: in English about 2000 tokens. The usual models take 8192, which is more than a token for each
#: character; only of scripts that a tokenizer does not know may 8000 characters still be too many.
_MAX_TEXT = 8000
#: The longest wait that a server may ask for, in seconds.
_MAX_WAIT = 60.0
#: Lengths of vectors that can be compared: squares of the others leave the range of the 32-bit floats that are stored.
_LENGTHS = (1e-12, 1e12)


class OpenAiEmbedder:
    """`POST {url}/embeddings` with a bearer key; `timeout` seconds each."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: str,
        model: str,
        dimensions: int,
        api_key: str = "",
        timeout: float = 60.0,
    ) -> None:
        self._http = HttpProvider(client, "embedding provider", timeout, api_key, _MAX_ANSWER_BYTES)
        self._url = f"{url.rstrip('/')}/embeddings"
        self._model = model
        self._dimensions = dimensions

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """The vectors, in the order of the texts. Raises EmbeddingMismatch, TransientError or PermanentError."""
        body = {"model": self._model, "input": [text[:_MAX_TEXT] for text in texts]}
        answer = await self._asked_again_if_soon(body)
        return [self._vector(each) for each in _in_order(self._http.decode(answer), len(texts))]

    async def _asked_again_if_soon(self, body: dict[str, Any]) -> bytes:
        try:
            return await self._http.post_json(self._url, body)
        except TemporarilyRefused as refusal:
            if refusal.retry_after is None or refusal.retry_after > _MAX_WAIT:
                raise
            await asyncio.sleep(refusal.retry_after)
        return await self._http.post_json(self._url, body)

    def _vector(self, numbers: Any) -> Vector:
        if not isinstance(numbers, list) or not all(type(number) in (int, float) for number in numbers):
            raise BadAnswer("embedding provider sent a vector that is no list of numbers")
        if len(numbers) != self._dimensions:
            raise EmbeddingMismatch(self._dimensions, len(numbers))
        shortest, longest = _LENGTHS
        if not shortest <= _length(numbers) <= longest:  # not for a length that is not a number
            raise BadAnswer("embedding provider sent a vector without direction")
        return numbers


def _length(numbers: list[float]) -> float:
    try:
        return math.hypot(*numbers)
    except OverflowError:  # an integer that no float can hold
        return math.inf


def _in_order(answer: Any, expected: int) -> list[Any]:
    """The vectors by `index`; servers that leave it out send them in the order of the texts."""
    try:
        data = [(item.get("index", place), item["embedding"]) for place, item in enumerate(answer["data"])]
    except (KeyError, TypeError, AttributeError) as error:
        raise BadAnswer("embedding provider sent an answer without data[].embedding") from error
    vectors = {index: vector for index, vector in data if type(index) is int}
    if len(data) != expected or vectors.keys() != set(range(expected)):
        raise BadAnswer(f"embedding provider sent {len(data)} vectors for {expected} texts, or not one for each")
    return [vectors[index] for index in range(expected)]
