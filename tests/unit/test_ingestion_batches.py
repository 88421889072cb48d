"""How the input is cut into what is stored in one transaction, wherever its chunks end."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from jobline_worker.pipelines.ingestion.batches import MAX_BYTES, MAX_ITEMS, batches
from jobline_worker.pipelines.ingestion.rules import Keywords
from jobline_worker.providers.ingestion import Batch, Chunk


async def cut(chunks: list[list[Any]], first_item: int = 0, start: int = 0, *words: str) -> list[Batch]:
    """The batches of `chunks`, the first of which begins at `start`."""

    async def coming() -> AsyncIterator[Chunk]:
        number = start
        for values in chunks:
            yield Chunk(number, values)
            number += len(values)

    return [batch async for batch in batches(coming(), first_item, Keywords(words))]


def numbered(first: int, behind: int) -> list[Any]:
    return [{"id": number, "text": f"record number {number}"} for number in range(first, behind)]


async def test_a_hundred_values_make_a_batch_whatever_the_chunks():
    values = numbered(0, 1005)
    found = await cut([values[:7], values[7:450], [], values[450:]])
    assert [(batch.first_item, batch.items) for batch in found] == [(n * 100, 100) for n in range(10)] + [(1000, 5)]
    assert [record.ids for batch in found for record in batch.records] == [(str(n),) for n in range(1005)]


async def test_a_later_run_begins_in_the_middle_of_a_chunk():
    found = await cut([numbered(0, 150), numbered(150, 260)], first_item=130)
    assert [(batch.first_item, batch.items) for batch in found] == [(130, 100), (230, 30)]
    assert found[0].records[0].ids == ("130",)
    assert await cut([numbered(100, 150)], first_item=150, start=100) == []


async def test_no_input_makes_no_batch():
    assert await cut([]) == await cut([[]]) == []


async def test_mismatches_count_among_the_values_and_weigh_nothing():
    values = [{"text": "x" * 300_000 + (" wanted" if n % 10 == 0 else "")} for n in range(50)]
    found = await cut([values], 0, 0, "WANTED")
    assert sum(batch.items for batch in found) == 50
    assert sum(batch.mismatches for batch in found) == 45
    assert [len(batch.records) for batch in found] == [1, 1, 1, 1, 1]
    assert [batch.items for batch in found] == [10, 10, 10, 10, 10]


async def test_batches_are_cut_at_a_mebibyte_and_a_larger_record_stands_alone():
    small, large, huge = {"text": "a" * 20_000}, {"text": "ä" * 50_000}, {"text": "b" * 524_000}
    found = await cut([[small] * 100, [large] * 6, [huge, small, huge]])
    # Each text weighs twice: as content, and within the record.
    assert [batch.items for batch in found] == [26, 26, 26, 22, 5, 1, 1, 1, 1]
    assert all(weight(batch) <= MAX_BYTES or batch.items == 1 for batch in found)


def weight(batch: Batch) -> int:
    return sum(len(record.metadata) + len(record.content.encode()) for record in batch.records)


async def test_the_record_is_kept_as_it_was_given():
    given_records = [{"b": [1, 2.5, None, True, {"ü": "🎉"}], "a": "some text for the content"}, "just a text"]
    (batch,) = await cut([given_records])
    assert [orjson.loads(record.metadata) for record in batch.records] == given_records
    assert [record.content for record in batch.records] == ["some text for the content", "just a text"]


@settings(deadline=None, max_examples=50)
@given(
    sizes=st.lists(st.integers(0, 130), max_size=8),
    resume=st.integers(0, 5),
    heavy=st.sets(st.integers(0, 400), max_size=6),
)
async def test_where_a_batch_ends_depends_on_the_values_alone(sizes: list[int], resume: int, heavy: set[int]):
    """So a run that begins behind a stored batch cuts as the one before it would have."""
    values = [{"text": "h" * 400_000 if n in heavy else "t" * 20, "id": n} for n in range(sum(sizes))]
    ends = [sum(sizes[: n + 1]) for n in range(len(sizes))]
    chunks = [values[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    whole = await cut([values])
    assert await cut(chunks) == whole
    assert sum(batch.items for batch in whole) == len(values)
    assert all(0 < batch.items <= MAX_ITEMS for batch in whole)
    if resume < len(whole):
        assert await cut(chunks, first_item=whole[resume].first_item) == whole[resume:]
