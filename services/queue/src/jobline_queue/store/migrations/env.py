"""Alembic's entry: runs the revisions on the connection that `store/migrate.py` hands over."""

from __future__ import annotations

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table="schema_version", version_table_schema="jobline")
with context.begin_transaction():
    context.run_migrations()
