"""Attempts as entries of a job's history: an id of their own, and when the run was due. Events name the run they tell of."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = [
    # Random, so that an entry's id tells nothing of other entries.
    "ALTER TABLE jobline.attempts ADD COLUMN entry_id uuid NOT NULL DEFAULT gen_random_uuid()",
    "CREATE UNIQUE INDEX attempts_entry_id ON jobline.attempts (entry_id)",
    "ALTER TABLE jobline.attempts ADD COLUMN scheduled_at timestamptz",
    # When earlier runs were due is not known any more; they did not start before.
    "UPDATE jobline.attempts SET scheduled_at = started_at",
    "ALTER TABLE jobline.attempts ALTER COLUMN scheduled_at SET NOT NULL",
    # Of the run that a `voided` event tells of: there is one event for each.
    "ALTER TABLE jobline.events ADD COLUMN lease_token uuid",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
