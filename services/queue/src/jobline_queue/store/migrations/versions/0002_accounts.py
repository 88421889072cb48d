"""The users, businesses and memberships that tokens name."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = [
    """
    CREATE TABLE public.users (
        id               text PRIMARY KEY CHECK (char_length(id) BETWEEN 1 AND 255),
        email            text NOT NULL DEFAULT '',
        credits          integer NOT NULL CHECK (credits >= 0),
        generation_count bigint NOT NULL DEFAULT 0,
        created_at       timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE public.businesses (
        id         text PRIMARY KEY CHECK (char_length(id) BETWEEN 1 AND 255),
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    # A user's jobs go with the user. The service learns of it from the events (maintenance/reconciler.py).
    """
    CREATE FUNCTION jobline.remove_jobs_of_user() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        WITH removed AS (
            DELETE FROM jobline.jobs WHERE owner = 'user:' || OLD.id RETURNING id, queue, state
        ), steps AS (
            DELETE FROM jobline.steps WHERE job_id IN (SELECT id FROM removed)
        ), attempts AS (
            DELETE FROM jobline.attempts WHERE job_id IN (SELECT id FROM removed)
        )
        INSERT INTO jobline.events (job_id, queue, name, from_state, actor, detail)
        SELECT id, queue, 'deleted', state, 'sql', 'the user was deleted' FROM removed;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER users_remove_jobs AFTER DELETE ON public.users
    FOR EACH ROW EXECUTE FUNCTION jobline.remove_jobs_of_user()
    """,
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
