"""Turning texts into vectors: near in meaning is near by cosine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from jobline.worker import PermanentError

__all__ = ["MAX_TEXTS", "Embedder", "EmbeddingMismatch", "Vector"]

#: Most texts of one call.
MAX_TEXTS = 25

#: As many finite numbers as JOBLINE_EMBEDDING_DIMENSIONS says, not all of them zero.
Vector = list[float]


class EmbeddingMismatch(PermanentError):
    """The provider's vectors are of another length than JOBLINE_EMBEDDING_DIMENSIONS: those of every other text will be,
    too. Operators look for this very message.
    """

    def __init__(self, expected: int, got: int) -> None:
        super().__init__(f"Embedding dimension mismatch: expected {expected}, got {got}")
        self.expected = expected
        self.got = got


class Embedder(Protocol):
    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """The vectors of 1 to MAX_TEXTS texts, in their order.

        Raises EmbeddingMismatch, another PermanentError, or TransientError (worth another try) when there are none.
        """
        ...
