"""Brings the database to the newest revision: `jobline-queue migrate`."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from jobline_queue.store.engine import sqlalchemy_url

OLDEST_SERVER = 15
#: Serialises migrations that several hosts start at once (any constant of ours does).
_MIGRATION_LOCK = 0x6A6F626C_6D696772


class MigrationError(RuntimeError):
    """The database cannot be migrated: it does not answer, or is too old."""


def migrate(database_url: str) -> None:
    """Applies every missing revision in one transaction; does nothing when there is none. Raises MigrationError."""
    try:
        _migrate(database_url)
    except sa.exc.OperationalError as error:
        raise MigrationError(f"JOBLINE_DATABASE_URL: the database does not answer: {error.orig}") from error


def _migrate(database_url: str) -> None:
    engine = sa.create_engine(sqlalchemy_url(database_url), poolclass=sa.NullPool)
    with engine.begin() as connection:
        version = int((connection.dialect.server_version_info or (0,))[0])
        if version < OLDEST_SERVER:
            raise MigrationError(f"expected PostgreSQL {OLDEST_SERVER} or newer, found {version}")
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        connection.execute(sa.text("CREATE SCHEMA IF NOT EXISTS jobline"))
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()
