"""The column of vectors: how many numbers they have, which the first migration fixes, and their index, built online.

The setting says the same number to every service. One that says another would find no vector that fits the column, so
`migrate` and `serve` stop at once and name both.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

import psycopg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from jobline.embeddings import DIMENSIONS_SETTING
from jobline.runtime import SettingsError

logger = logging.getLogger(__name__)

#: The name of the number among the attributes of Alembic's configuration.
DIMENSIONS = "embedding_dimensions"

#: The type modifier of a vector column is its number of dimensions; no row before the table is there.
_OF_THE_COLUMN = """
SELECT atttypmod FROM pg_attribute WHERE attrelid = to_regclass('public.data_records') AND attname = 'embedding'
"""
_INDEX = "data_records_embedding"
_IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"
#: Serialises those who build the index (any constant of ours does).
_INDEX_LOCK = 0x6A6F626C_686E7377


def check_dimensions(connection: sa.Connection, expected: int) -> None:
    """Raises SettingsError when the column's vectors have another number of dimensions."""
    _compare(connection.execute(sa.text(_OF_THE_COLUMN)).scalar(), expected)


async def confirm_dimensions(engine: AsyncEngine, expected: int) -> None:
    """The same, as soon as the database answers."""
    while True:
        try:
            async with engine.connect() as connection:
                found = (await connection.execute(sa.text(_OF_THE_COLUMN))).scalar()
        except (sa.exc.OperationalError, sa.exc.TimeoutError) as error:
            logger.warning("the database does not answer: %s", type(error).__name__)
            await asyncio.sleep(1.0)
        else:
            _compare(found, expected)
            return


def _compare(found: int | None, expected: int) -> None:
    if found not in (None, expected):
        raise SettingsError(
            f"{DIMENSIONS_SETTING} is {expected}, but the vectors of this database have {found} numbers, as its first"
            f" migration has fixed: set it to {found}, or use another database"
        )


def build_index(database_url: str) -> None:
    """Makes sure of the cosine index, while others read and write.

    May be called again and by several at once. A build that was broken off leaves an index that is not valid: it is dropped
    and built anew.
    """
    with psycopg.connect(database_url, autocommit=True, connect_timeout=5) as connection:
        _lock(connection)
        is_valid = _scalar(connection, _IS_VALID, f"public.{_INDEX}")
        if is_valid is False:
            connection.execute(f"DROP INDEX CONCURRENTLY public.{_INDEX}")
        if not is_valid:
            connection.execute(
                f"CREATE INDEX CONCURRENTLY {_INDEX} ON public.data_records USING hnsw (embedding vector_cosine_ops)"
            )


def _lock(connection: psycopg.Connection) -> None:
    """Waits until nobody else builds, a little at a time: a build waits for every statement that began before it."""
    connection.execute("SET lock_timeout = '200ms'")
    while True:
        with contextlib.suppress(psycopg.errors.LockNotAvailable):
            connection.execute("SELECT pg_advisory_lock(%s)", (_INDEX_LOCK,))
            break
    connection.execute("RESET lock_timeout")


def _scalar(connection: psycopg.Connection, statement: str, *params: object) -> object:
    row = connection.execute(statement.encode(), params).fetchone()
    return row[0] if row is not None else None
