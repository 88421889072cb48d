"""What workers and searchers send, checked before it is stored or compared: shapes, lengths and numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from jobline.v1 import ingestion_service_pb2 as pb
from jobline_queue.core.errors import invalid
from jobline_queue.core.json_text import check_json, check_text
from jobline_queue.rpc.convert import epoch, is_uuid

CATEGORIES = ("TOP_10", "BOTTOM_10")
MAX_ITEMS = 100
MAX_EMBEDDINGS = 250
#: Ids of one record: each of the keys, in the record and in its metadata.
MAX_IDS = 100
#: Of a text: one value of an input is shorter.
MAX_TEXT = 1024 * 1024

#: Lengths of vectors outside of this leave the range of the column's floats when they are squared.
_LENGTHS = (1e-12, 1e12)


def check_count(field: str, count: int, most: int) -> None:
    if not 1 <= count <= most:
        raise invalid(field, f"expected 1 to {most}")


def check_batch(request: pb.SaveRecordsRequest) -> None:
    """The numbers of a call of SaveRecords."""
    check_count("items", request.items, MAX_ITEMS)
    if request.first_item < 0:
        raise invalid("first_item", "expected 0 or more")
    if request.keyword_mismatches < 0 or len(request.records) + request.keyword_mismatches != request.items:
        raise invalid("items", "expected the number of records and mismatches")


def record_row(field: str, record: pb.NewRecord) -> dict[str, Any]:
    """A record as insert_records.sql takes it; `metadata` is JSON text. Raises InvalidField or TooLarge."""
    check_json(f"{field}.metadata_json", record.metadata_json)
    check_category(f"{field}.category", record.category)
    if len(record.record_ids) > MAX_IDS or not all(record.record_ids):
        raise invalid(f"{field}.record_ids", f"expected at most {MAX_IDS} texts of 1 character or more")
    people = ("created_by_id", "created_by_name", "created_by_email")
    return {
        "content": check_text(f"{field}.content", record.content, MAX_TEXT, at_least=1),
        "category": record.category or None,
        "metadata": record.metadata_json,
        **{name: check_text(f"{field}.{name}", getattr(record, name), MAX_TEXT) or None for name in people},
        **{name: epoch(f"{field}.{name}", record, name) for name in ("created_at", "updated_at")},
    }


def check_category(field: str, category: str) -> None:
    if category and category not in CATEGORIES:
        raise invalid(field, f"expected one of {', '.join(CATEGORIES)}, or nothing")


def embedding_rows(request: pb.StoreEmbeddingsRequest, dimensions: int) -> list[dict[str, Any]]:
    """The vectors as store_embeddings.sql takes them."""
    check_count("embeddings", len(request.embeddings), MAX_EMBEDDINGS)
    rows = []
    for index, embedding in enumerate(request.embeddings):
        if not is_uuid(embedding.record_id):
            raise invalid(f"embeddings[{index}].record_id", "expected the id of a record")
        vector = check_vector(f"embeddings[{index}].vector", embedding.vector.values, dimensions)
        rows.append({"id": embedding.record_id, "embedding": vector})
    if len({row["id"] for row in rows}) != len(rows):
        raise invalid("embeddings", "expected each record once")
    return rows


def check_vector(field: str, values: Sequence[float], dimensions: int) -> list[float]:
    """The numbers of a vector that has a direction."""
    if len(values) != dimensions:
        raise invalid(field, f"expected {dimensions} numbers, got {len(values)}")
    shortest, longest = _LENGTHS
    # Not a number compares as false, and a length of such numbers is none.
    if not shortest <= math.hypot(*values) <= longest:
        raise invalid(field, "expected finite numbers, not all of them zero")
    return list(values)
