"""Search over records: as many as asked for whatever the filter, the nearest first, with the cosine itself as the score."""

from __future__ import annotations

import json
import math
import random
from collections.abc import AsyncIterator, Iterator, Sequence

import psycopg
import pytest

from jobline.v1 import embedding_pb2
from jobline.v1 import ingestion_service_pb2 as pb
from jobline_queue.core.errors import InvalidField
from jobline_queue.modules.ingestion.search import EXACT_UP_TO, RecordSearch
from jobline_queue.store.engine import open_pool
from jobline_queue.store.migrate import migrate
from support.stack import Databases

DIMENSIONS = 8
LARGE = 4000
#: Records of the large project that are rare: one in a thousand.
RARE = 4

Vector = list[float]


@pytest.fixture(scope="module")
def vectors() -> list[Vector]:
    """Directions without any order, the same in every run."""
    dice = random.Random(6)
    return [[dice.gauss(0, 1) for _ in range(DIMENSIONS)] for _ in range(LARGE)]


@pytest.fixture(scope="module")
def database(databases: Databases, vectors: list[Vector]) -> Iterator[str]:
    """Projects `large` and `small` (every hundredth vector of it, and one record that waits for its vector)."""
    with databases.empty() as url:
        migrate(url, DIMENSIONS)
        with psycopg.connect(url) as connection:
            connection.execute("DROP INDEX data_records_embedding")
            columns = "project_id, type, category, content, metadata, embedding"
            with connection.cursor().copy(f"COPY data_records ({columns}) FROM STDIN") as copy:
                for number, vector in enumerate(vectors):
                    rare = number % (LARGE // RARE) == 0
                    kind, category = ("FEEDBACK", "TOP_10") if rare else ("TASK", None)
                    row = (kind, category, str(number), json.dumps({"number": number}), json.dumps(vector))
                    copy.write_row(("large", *row))
                    if number % 100 == 0:
                        copy.write_row(("small", *row))
                copy.write_row(("small", "TASK", None, "waits", "{}", None))
            connection.execute("ANALYZE data_records")
        migrate(url, DIMENSIONS)
        yield url


@pytest.fixture(params=[EXACT_UP_TO, 0], ids=["compared", "indexed"])
async def search(request: pytest.FixtureRequest, database: str) -> AsyncIterator[RecordSearch]:
    """As the service does it, and with the index for projects of any size."""
    engine = open_pool(database)
    yield RecordSearch(engine, DIMENSIONS, exact_up_to=request.param)
    await engine.dispose()


@pytest.fixture
async def indexed(database: str) -> AsyncIterator[RecordSearch]:
    engine = open_pool(database)
    yield RecordSearch(engine, DIMENSIONS, exact_up_to=0)
    await engine.dispose()


def wanted(vector: Sequence[float], project: str = "large", **fields: object) -> pb.SearchRecordsRequest:
    return pb.SearchRecordsRequest(project_id=project, vector=embedding_pb2.Vector(values=vector), **fields)


def cosine(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True)) / math.hypot(*one) / math.hypot(*other)


def nearest(vectors: list[Vector], query: Vector, most: int) -> list[int]:
    return sorted(range(len(vectors)), key=lambda number: -cosine(vectors[number], query))[:most]


async def test_the_nearest_come_first_with_their_cosines(search: RecordSearch, vectors: list[Vector]):
    query = vectors[7]
    found = (await search.search(wanted(query))).records
    assert [int(each.content) for each in found] == nearest(vectors, query, 10)
    assert [each.score for each in found] == pytest.approx(
        [cosine(vectors[int(each.content)], query) for each in found], abs=1e-6
    )
    assert json.loads(found[0].metadata_json) == {"number": 7}
    assert (found[0].type, found[0].category) == (pb.RECORD_TYPE_TASK, "")


async def test_the_index_finds_nearly_all_that_a_comparison_finds(indexed: RecordSearch, vectors: list[Vector]):
    hits = 0
    for query in vectors[:10]:
        found = (await indexed.search(wanted(query, limit=50))).records
        scores = [each.score for each in found]
        assert scores == sorted(scores, reverse=True)
        hits += len({int(each.content) for each in found} & set(nearest(vectors, query, 50)))
    assert hits >= 0.97 * 10 * 50


@pytest.mark.parametrize(
    "filters", [{"type": pb.RECORD_TYPE_FEEDBACK}, {"category": "TOP_10"}], ids=["type", "category"]
)
async def test_a_filter_loses_no_record(search: RecordSearch, vectors: list[Vector], filters: dict[str, str]):
    """Only one record in a thousand matches, and the nearest thousands do not."""
    found = (await search.search(wanted(vectors[7], limit=RARE, **filters))).records
    rare = range(0, LARGE, LARGE // RARE)
    expected = sorted(rare, key=lambda number: -cosine(vectors[number], vectors[7]))
    assert [int(each.content) for each in found] == expected


async def test_a_small_project_beside_a_large_one_is_searched_whole(search: RecordSearch, vectors: list[Vector]):
    found = (await search.search(wanted(vectors[7], "small", limit=100))).records
    assert {int(each.content) for each in found} == set(range(0, LARGE, 100))


async def test_fewer_are_found_only_if_fewer_match(search: RecordSearch, vectors: list[Vector]):
    assert (await search.search(wanted(vectors[0], "large", category="BOTTOM_10"))).records == []
    assert (await search.search(wanted(vectors[0], "nothing"))).records == []
    assert len((await search.search(wanted(vectors[0], limit=100))).records) == 100


async def test_the_length_of_a_vector_means_nothing(search: RecordSearch, vectors: list[Vector]):
    scores = []
    for length in (1e-9, 1.0, 1e9):
        found = (await search.search(wanted([length * number for number in vectors[7]]))).records
        scores.append([each.score for each in found])
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)
    assert scores[2] == pytest.approx(scores[1], abs=1e-6)


async def test_equally_near_records_come_in_the_order_in_which_they_were_stored(database: str):
    with psycopg.connect(database) as connection:
        for number in range(20):
            connection.execute(
                "INSERT INTO data_records (project_id, type, content, metadata, embedding) VALUES"
                " ('same', 'TASK', %s, '{}', %s)",
                (str(number), json.dumps([1.0] * DIMENSIONS)),
            )
    engine = open_pool(database)
    found = (await RecordSearch(engine, DIMENSIONS).search(wanted([1.0] * DIMENSIONS, "same"))).records
    await engine.dispose()
    assert [each.content for each in found] == [str(number) for number in range(10)]
    assert [each.score for each in found] == pytest.approx([1.0] * 10)


async def test_records_that_wait_for_their_vectors_are_not_found(database: str, vectors: list[Vector]):
    with psycopg.connect(database) as connection:
        for number in range(30):
            vector = json.dumps(vectors[number]) if number < 2 else None
            connection.execute(
                "INSERT INTO data_records (project_id, type, content, metadata, embedding) VALUES"
                " ('waiting', 'TASK', %s, '{}', %s)",
                (str(number), vector),
            )
    engine = open_pool(database)
    for exact_up_to in (EXACT_UP_TO, 0):
        found = (await RecordSearch(engine, DIMENSIONS, exact_up_to).search(wanted(vectors[0], "waiting"))).records
        assert [each.content for each in found] == ["0", "1"]
    await engine.dispose()


async def test_an_answer_holds_no_more_than_fits_into_a_message(database: str):
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO data_records (project_id, type, content, metadata, embedding)"
            " SELECT 'heavy', 'TASK', repeat('x', 400000), jsonb_build_object('text', repeat('y', 400000)), %s::vector"
            " FROM generate_series(1, 10)",
            (json.dumps([1.0] * DIMENSIONS),),
        )
    engine = open_pool(database)
    for exact_up_to in (EXACT_UP_TO, 0):
        answer = await RecordSearch(engine, DIMENSIONS, exact_up_to).search(wanted([1.0] * DIMENSIONS, "heavy"))
        assert len(answer.records) == 3
        assert answer.ByteSize() < 3 * 1024 * 1024
    await engine.dispose()


@pytest.mark.parametrize(
    ("vector", "fields", "named"),
    [
        ([1.0] * 7, {}, "vector"),
        ([], {}, "vector"),
        ([0.0] * 8, {}, "vector"),
        ([math.nan] * 8, {}, "vector"),
        ([math.inf] * 8, {}, "vector"),
        ([1.0] * 8, {"limit": 101}, "limit"),
        ([1.0] * 8, {"limit": -1}, "limit"),
        ([1.0] * 8, {"category": "BEST"}, "category"),
        ([1.0] * 8, {"type": 7}, "type"),
    ],
)
async def test_bad_requests_are_refused(indexed: RecordSearch, vector: Vector, fields: dict[str, object], named: str):
    with pytest.raises(InvalidField) as refusal:
        await indexed.search(wanted(vector, **fields))
    assert [problem.field for problem in refusal.value.problems] == [named]
