"""Job input: lists of JSON values that are larger than a payload may be, in parts beside the jobs' rows.

Parts are stored before their job, under an id of their own, and belong to nobody until the transaction that stores the job
gives them its id (docs/adr/0010-staged-input.md). Jobs without input, all of the hot path, have a constant in the new
column and no row here.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

STATEMENTS = [
    """
    CREATE TABLE jobline.job_inputs (
        job_id     uuid NOT NULL,                             -- while it is staged: the id of the staging
        part       integer NOT NULL CHECK (part >= 0),
        first_item bigint NOT NULL CHECK (first_item >= 0),   -- the number of its first value, from 0
        items      integer NOT NULL CHECK (items > 0),
        data       text NOT NULL,                             -- a JSON array of so many values
        staged_at  timestamptz,                               -- null: it is a job's; -infinity: nobody needs it
        PRIMARY KEY (job_id, part)
    )
    """,
    "CREATE INDEX job_inputs_staged_at ON jobline.job_inputs (staged_at) WHERE staged_at IS NOT NULL",
    "ALTER TABLE jobline.jobs ADD COLUMN input_items bigint NOT NULL DEFAULT 0",
    """
    -- To delete 256 MiB takes longer than those behind it should wait: the sweep does it. A job may get the id again before.
    CREATE FUNCTION jobline.forget_input() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE jobline.job_inputs SET job_id = gen_random_uuid(), staged_at = '-infinity' WHERE job_id = OLD.id;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER jobs_forget_input AFTER DELETE ON jobline.jobs
    FOR EACH ROW WHEN (OLD.input_items > 0) EXECUTE FUNCTION jobline.forget_input()
    """,
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
