"""Chores: a row for each time of a schedule that somebody was granted, so that nobody else is."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE jobline.chore_runs (
            name       text NOT NULL,
            fire_time  timestamptz NOT NULL,
            granted_to text NOT NULL,
            granted_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (name, fire_time)
        )
        """
    )
