"""Databases that are older than the schema: what was stored before is there afterwards, in its new form."""

from __future__ import annotations

from importlib import resources

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from jobline_queue.store.engine import sqlalchemy_url
from jobline_queue.store.migrate import migrate
from support.queue_service import execute

_OLD_ATTEMPTS = """
INSERT INTO jobline.attempts (job_id, number, outcome, worker, session_id, lease_token, started_at, finished_at)
SELECT gen_random_uuid(), 1, 'failed', 'w', gen_random_uuid(), gen_random_uuid(), at, at + interval '1 second'
FROM generate_series(timestamptz '2026-01-01', '2026-01-02', '1 hour') AS at
"""
_OLD_PAUSES = """
INSERT INTO jobline.events (queue, name, actor, detail, at) VALUES
    ('kept', 'paused', 'user:ann', '', '2026-02-01'), ('kept', 'resumed', 'user:ann', '', '2026-02-02'),
    ('kept', 'paused', 'user:bob', 'a deploy', '2026-02-03'),
    ('over', 'paused', 'user:ann', '', '2026-02-01'), ('over', 'resumed', 'user:ann', '', '2026-02-02')
"""


def bring_to(database_url: str, revision: str) -> None:
    """As a service of that revision would have left it."""
    engine = sa.create_engine(sqlalchemy_url(database_url), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA IF NOT EXISTS jobline"))
        config = Config()
        config.set_main_option("script_location", str(resources.files("jobline_queue.store") / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def test_attempts_of_before_become_entries_of_the_history(empty_database: str):
    bring_to(empty_database, "0003")
    execute(empty_database, _OLD_ATTEMPTS)
    migrate(empty_database)
    rows = execute(
        empty_database,
        "SELECT count(*), count(DISTINCT entry_id), bool_and(scheduled_at = started_at) FROM jobline.attempts",
    )
    assert rows == [(25, 25, True)]
    migrate(empty_database)


def test_credits_of_before_become_rows(empty_database: str):
    bring_to(empty_database, "0005")
    execute(empty_database, "INSERT INTO users (id, credits) VALUES ('ada', 3), ('bob', 0)")
    migrate(empty_database)
    rows = execute(empty_database, "SELECT user_id, source_type, status, priority, expires_at FROM user_credits")
    assert rows == [("ada", "admin_grant", "active", 50, None)] * 3


def test_a_pause_of_before_says_who_paused_the_queue_and_when(empty_database: str):
    bring_to(empty_database, "0011")
    execute(
        empty_database,
        "INSERT INTO jobline.queues (name, paused) VALUES ('kept', true), ('over', false), ('bare', true)",
    )
    execute(empty_database, _OLD_PAUSES)
    migrate(empty_database)
    rows = execute(
        empty_database,
        "SELECT name, paused, paused_by, paused_at::date::text, pause_reason, max_running FROM jobline.queues ORDER BY name",
    )
    assert rows == [
        ("bare", True, "", None, "", None),
        ("kept", True, "user:bob", "2026-02-03", "a deploy", None),
        ("over", False, "", None, "", None),
    ]
