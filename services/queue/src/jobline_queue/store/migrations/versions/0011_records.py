"""Records of projects and their vectors, and the ids by which a record is known to be a duplicate.

How many numbers a vector has is a setting, and this revision fixes it. The vectors' index is not made here but after the
migration's transaction (store/embeddings.py): it is built while others write.
"""

from __future__ import annotations

from alembic import op

from jobline.embeddings import DEFAULT_DIMENSIONS
from jobline_queue.store.embeddings import DIMENSIONS

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    config = op.get_context().config
    assert config is not None
    dimensions = int(config.attributes.get(DIMENSIONS, DEFAULT_DIMENSIONS))
    for statement in _statements(dimensions):
        op.execute(statement)


def _statements(dimensions: int) -> list[str]:
    return [
        "CREATE EXTENSION IF NOT EXISTS vector",
        # `seq` is the order in which records were stored, which is the order in which they are embedded.
        f"""
        CREATE TABLE public.data_records (
            id               uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            seq              bigint GENERATED ALWAYS AS IDENTITY,
            project_id       text NOT NULL,
            type             text NOT NULL CHECK (type IN ('TASK', 'FEEDBACK')),
            category         text CHECK (category IN ('TOP_10', 'BOTTOM_10')),
            source           text,
            content          text NOT NULL CHECK (content <> ''),
            metadata         jsonb NOT NULL,               -- the record as it was given
            embedding        vector({dimensions}),
            ingest_job_id    text,
            created_by_id    text,
            created_by_name  text,
            created_by_email text,
            created_at       timestamptz NOT NULL DEFAULT now(),
            updated_at       timestamptz NOT NULL DEFAULT now()
        )
        """,
        "CREATE INDEX data_records_project_id ON public.data_records (project_id, type, category)",
        "CREATE INDEX data_records_unembedded ON public.data_records (project_id, seq) WHERE embedding IS NULL",
        # Every id that a stored record carries, as the SHA-256 of its text: it may be longer than what an index can hold.
        # The key decides between jobs that load the same records at once.
        """
        CREATE TABLE public.data_record_ids (
            project_id text NOT NULL,
            type       text NOT NULL,
            digest     bytea NOT NULL CHECK (octet_length(digest) = 32),
            PRIMARY KEY (project_id, type, digest)
        )
        """,
    ]
