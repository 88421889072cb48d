"""The column of vectors: its length is fixed by the first migration, and its index is built beside other work."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from jobline.embeddings import MAX_DIMENSIONS
from jobline.runtime import SettingsError
from jobline_queue.store.migrate import migrate
from support.queue_service import QueueServiceUnderTest, execute
from support.stack import EmbeddedPair

INDEX = """
SELECT CAST(indexrelid AS bigint), indisvalid FROM pg_index
WHERE indexrelid = to_regclass('public.data_records_embedding')
"""


def test_another_length_than_the_first_is_refused_with_both_numbers(empty_database: str):
    migrate(empty_database, 384)
    migrate(empty_database, 384)
    with pytest.raises(SettingsError, match=r"JOBLINE_EMBEDDING_DIMENSIONS is 1536, .* have 384 numbers"):
        migrate(empty_database)


def test_the_column_and_its_index_have_the_length_that_is_set(empty_database: str):
    dimensions = MAX_DIMENSIONS
    migrate(empty_database, dimensions)
    stored = (
        "INSERT INTO data_records (project_id, type, content, metadata, embedding) VALUES ('p', 'TASK', 'c', '{}', %s)"
    )
    execute(empty_database, stored, str([1.0] * dimensions))
    with pytest.raises(psycopg.errors.DataException, match=f"expected {dimensions} dimensions"):
        execute(empty_database, stored, str([1.0] * (dimensions + 1)))


def test_a_service_with_another_length_does_not_start(fresh_database: str, tmp_path: Path):
    service = QueueServiceUnderTest(fresh_database, tmp_path, JOBLINE_EMBEDDING_DIMENSIONS="768")
    service.start(wait=False)
    assert service.process is not None
    assert service.process.wait(30) == 1
    assert "JOBLINE_EMBEDDING_DIMENSIONS is 768" in service.log
    assert "1536 numbers" in service.log


def test_an_index_whose_build_was_broken_off_is_built_again(empty_database: str, embedded: EmbeddedPair):
    migrate(empty_database, 8)
    ((first, valid),) = execute(empty_database, INDEX)
    assert valid
    name = empty_database.rpartition("/")[2]
    superuser = f"{embedded.superuser_url.rpartition('/')[0]}/{name}"
    execute(superuser, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = CAST(%s AS oid)", first)
    migrate(empty_database, 8)
    ((second, valid),) = execute(empty_database, INDEX)
    assert valid
    assert second != first


def test_several_may_migrate_at_once(empty_database: str):
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(migrate, empty_database, 8) for _ in range(4)]:
            done.result(60)
    assert [valid for _, valid in execute(empty_database, INDEX)] == [True]


def test_the_index_is_built_while_others_write(empty_database: str):
    """A transaction that has written a record is waited for, and the record is found by the index."""
    migrate(empty_database, 8)
    execute(empty_database, "DROP INDEX data_records_embedding")
    with ThreadPoolExecutor(1) as pool, psycopg.connect(empty_database) as writer:
        writer.execute(
            "INSERT INTO data_records (project_id, type, content, metadata, embedding) VALUES ('p', 'TASK', 'c', '{}', %s)",
            (str([1.0] * 8),),
        )
        building = pool.submit(migrate, empty_database, 8)
        other = "INSERT INTO data_records (project_id, type, content, metadata) VALUES ('p', 'TASK', 'd', '{}')"
        execute(empty_database, other)
        assert not building.done()
        writer.commit()
        building.result(30)
    assert [valid for _, valid in execute(empty_database, INDEX)] == [True]
