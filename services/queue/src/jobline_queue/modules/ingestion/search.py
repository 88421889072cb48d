"""The records of a project nearest to a vector.

Few records are compared one by one: that is exact. Among many the index finds candidates in the order of their distance,
and goes on until enough of them have passed the filters. It gives up after so many tuples; a project that is a small part of
a large table is then compared one by one after all. So no filter makes an answer shorter, whatever the plan, and every score
is the cosine itself. But an index of nearest neighbours is an approximation: a record that lies apart from large clusters of
texts that say nearly the same may not be reached, however long it searches (ADR 13). So the limit is as high as patience
allows.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from jobline.v1 import ingestion_service_pb2 as pb
from jobline_queue.core.errors import invalid
from jobline_queue.modules.ingestion import checks
from jobline_queue.modules.ingestion.convert import TYPES
from jobline_queue.modules.ingestion.runs import rows
from jobline_queue.rpc.convert import timestamp

MAX_LIMIT = 100
DEFAULT_LIMIT = 10
#: Of contents, metadata and sources of an answer: a message is 4 MiB at most.
MAX_ANSWER_BYTES = 3 * 1024 * 1024
#: Searches at once: each may take seconds, and the pool's connections are for all who read.
MOST_AT_ONCE = 3
#: Up to so many records that match the filters are compared one by one: 0.13 s with 1536 numbers each.
EXACT_UP_TO = 20_000

_WORDS = {number: word for word, number in TYPES.items()}

#: For one transaction: candidates in exact order, as many as the largest answer at once, and a plan made for the values.
_SETTINGS = """
SELECT set_config('hnsw.iterative_scan', 'strict_order', true), set_config('hnsw.ef_search', '100', true),
       set_config('hnsw.max_scan_tuples', '20000', true), set_config('plan_cache_mode', 'force_custom_plan', true)
"""


class RecordSearch:
    """SearchRecords, see ingestion_service.proto."""

    def __init__(self, engine: AsyncEngine, dimensions: int, exact_up_to: int = EXACT_UP_TO) -> None:
        self._engine = engine
        self._dimensions = dimensions
        self._exact_up_to = exact_up_to
        self._room = asyncio.Semaphore(MOST_AT_ONCE)

    async def search(self, request: pb.SearchRecordsRequest) -> pb.SearchRecordsResponse:
        params = self._params(request)
        async with self._room, self._engine.connect() as connection:
            await connection.exec_driver_sql(_SETTINGS)
            found = await self._nearest(connection, params)
        return pb.SearchRecordsResponse(records=[_found(*row) for row in found])

    async def _nearest(self, connection: AsyncConnection, params: dict[str, Any]) -> list[Any]:
        matching = await rows(connection, "count_matching", **params, most=self._exact_up_to + 1)
        if matching[0][0] > self._exact_up_to:
            found = await rows(connection, "search_by_index", **params)
            if len(found) == params["limit"]:
                return found
        return await rows(connection, "search_exactly", **params)

    def _params(self, request: pb.SearchRecordsRequest) -> dict[str, Any]:
        if not 0 <= request.limit <= MAX_LIMIT:
            raise invalid("limit", f"expected 1 to {MAX_LIMIT}, or 0 for {DEFAULT_LIMIT}")
        if request.type and request.type not in _WORDS:
            raise invalid("type", f"expected one of {', '.join(TYPES)}")
        checks.check_category("category", request.category)
        vector = checks.check_vector("vector", request.vector.values, self._dimensions)
        return {
            "project_id": request.project_id,
            "vector": orjson.dumps(vector).decode(),
            "limit": request.limit or DEFAULT_LIMIT,
            "bytes": MAX_ANSWER_BYTES,
            "type": _WORDS.get(request.type),
            "category": request.category or None,
        }


def _found(
    record_id: str, kind: str, category: str, source: str, content: str, metadata: str, created_at: Any, score: float
) -> pb.FoundRecord:
    return pb.FoundRecord(
        id=record_id,
        type=TYPES[kind],
        category=category,
        source=source,
        content=content,
        metadata_json=metadata,
        created_at=timestamp(created_at),
        score=score,
    )
