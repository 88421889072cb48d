"""What is seen of a queue while it lives: who paused it, an operator's limit, and what it did minute by minute.

A minute's times are counts by bucket (see `core/time_buckets.py`), so that quantiles of any longer stretch come from sums.
The table is written once a minute and read by primary key.
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

STATEMENTS = [
    """
    ALTER TABLE jobline.queues
        ALTER COLUMN paused DROP NOT NULL,  -- null: as the policy says
        ADD COLUMN paused_by    text NOT NULL DEFAULT '',
        ADD COLUMN paused_at    timestamptz,
        ADD COLUMN pause_reason text NOT NULL DEFAULT '',
        ADD COLUMN max_running  integer CHECK (max_running BETWEEN 1 AND 100000)  -- null: the policy's
    """,
    """
    UPDATE jobline.queues AS queue SET paused_by = event.actor, paused_at = event.at, pause_reason = event.detail
    FROM (SELECT DISTINCT ON (queue) queue, actor, at, detail FROM jobline.events
          WHERE name = 'paused' ORDER BY queue, id DESC) AS event
    WHERE event.queue = queue.name AND queue.paused
    """,
    """
    CREATE TABLE jobline.queue_minutes (
        queue     text NOT NULL,
        minute    timestamptz NOT NULL,
        ready     bigint NOT NULL,              -- as of the end of the minute, or of the last write in it
        delayed   bigint NOT NULL,
        running   bigint NOT NULL,
        enqueued  bigint NOT NULL,              -- from here on: in the minute
        started   bigint NOT NULL,
        succeeded bigint NOT NULL,
        failed    bigint NOT NULL,
        cancelled bigint NOT NULL,
        retried   bigint NOT NULL,
        waits     jsonb NOT NULL DEFAULT '{}',  -- runs started, by bucket of the time from due to start
        runs      jsonb NOT NULL DEFAULT '{}',  -- runs ended, by bucket of the time from start to end
        errors    jsonb NOT NULL DEFAULT '{}',  -- runs ended with an error, by code
        PRIMARY KEY (minute, queue)
    )
    """,
    """
    CREATE FUNCTION jobline.add_counts(one jsonb, other jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
        SELECT coalesce(jsonb_object_agg(key, total), '{}')
        FROM (
            SELECT key, sum(value::bigint) AS total
            FROM (SELECT * FROM jsonb_each_text(one) UNION ALL SELECT * FROM jsonb_each_text(other)) AS counts
            GROUP BY key
        ) AS sums
    $$
    """,
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
