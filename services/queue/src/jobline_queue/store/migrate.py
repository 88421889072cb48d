"""Brings the database to the newest revision: `jobline-queue migrate`."""

from __future__ import annotations

from pathlib import Path

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from jobline.embeddings import DEFAULT_DIMENSIONS
from jobline_queue.store.embeddings import DIMENSIONS, build_index, check_dimensions
from jobline_queue.store.engine import sqlalchemy_url

OLDEST_SERVER = 15
#: pgvector with scans that go on until enough rows have passed a filter.
OLDEST_VECTOR = (0, 8)
_VECTOR_VERSION = (
    "SELECT coalesce(installed_version, default_version) FROM pg_available_extensions WHERE name = 'vector'"
)
#: Serialises migrations that several hosts start at once (any constant of ours does).
_MIGRATION_LOCK = 0x6A6F626C_6D696772


class MigrationError(RuntimeError):
    """The database cannot be migrated: it does not answer, is too old, or lacks the extension `vector`."""


def migrate(database_url: str, dimensions: int = DEFAULT_DIMENSIONS) -> None:
    """Applies every missing revision in one transaction, then builds what can only be built outside of one; does nothing
    when nothing is missing.

    Raises MigrationError, or SettingsError when the stored vectors have another number of dimensions.
    """
    try:
        _migrate(database_url, dimensions)
        build_index(database_url)
    except (sa.exc.OperationalError, psycopg.OperationalError) as error:
        cause = error.orig if isinstance(error, sa.exc.OperationalError) else error
        raise MigrationError(f"JOBLINE_DATABASE_URL: the database does not answer: {cause}") from error


def _migrate(database_url: str, dimensions: int) -> None:
    engine = sa.create_engine(sqlalchemy_url(database_url), poolclass=sa.NullPool)
    with engine.begin() as connection:
        _check_server(connection)
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        connection.execute(sa.text("CREATE SCHEMA IF NOT EXISTS jobline"))
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
        config.attributes["connection"] = connection
        config.attributes[DIMENSIONS] = dimensions
        command.upgrade(config, "head")
        check_dimensions(connection, dimensions)
    engine.dispose()


def _check_server(connection: sa.Connection) -> None:
    version = int((connection.dialect.server_version_info or (0,))[0])
    if version < OLDEST_SERVER:
        raise MigrationError(f"expected PostgreSQL {OLDEST_SERVER} or newer, found {version}")
    vector = connection.execute(sa.text(_VECTOR_VERSION)).scalar()
    if vector is None or tuple(int(part) for part in vector.split(".")[:2]) < OLDEST_VECTOR:
        expected = ".".join(map(str, OLDEST_VECTOR))
        raise MigrationError(f"expected the extension vector (pgvector) {expected} or newer, found {vector or 'none'}")
