"""The e-mail surface: the finished e-mails, and the view of its queue that operators read."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = [
    # The unique job_id is the last wall against a second e-mail for one item.
    """
    CREATE TABLE public.emails (
        id                 uuid PRIMARY KEY,
        user_id            text NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
        recipient_name     text NOT NULL,
        recipient_interest text NOT NULL,
        email_message      text NOT NULL,
        template_type      text NOT NULL CHECK (template_type IN ('research', 'book', 'general')),
        metadata           jsonb NOT NULL,
        is_confident       boolean NOT NULL,
        displayed          boolean NOT NULL DEFAULT true,
        created_at         timestamptz NOT NULL DEFAULT now(),
        job_id             uuid NOT NULL UNIQUE
    )
    """,
    "CREATE INDEX emails_user_id_created_at ON public.emails (user_id, created_at DESC, id DESC)",
    # A job in a live lease is running, whatever its own row says: the row follows within 100 ms.
    """
    CREATE VIEW public.queue_items AS
    SELECT j.id,
           substr(j.owner, 6) AS user_id,
           CAST(j.payload ->> 'recipient_name' AS varchar(255)) AS recipient_name,
           j.payload ->> 'recipient_interest' AS recipient_interest,
           j.payload ->> 'email_template' AS email_template,
           CASE WHEN j.state = 'succeeded' THEN 'completed'
                WHEN j.state = 'failed' THEN 'failed'
                WHEN j.state = 'running' OR held.id IS NOT NULL THEN 'processing'
                ELSE 'pending' END AS status,
           e.id AS email_id,
           CASE WHEN j.state = 'failed' THEN j.error_message END AS error_message,
           CASE WHEN j.finished_at IS NULL AND (j.state = 'running' OR held.id IS NOT NULL)
                THEN coalesce(j.step, 'template_parser') END AS current_step,
           j.created_at,
           CASE WHEN j.state <> 'pending' OR held.id IS NOT NULL THEN j.started_at END AS started_at,
           j.finished_at AS completed_at
    FROM jobline.jobs j
    LEFT JOIN (SELECT unnest(job_ids) AS id FROM jobline.leases) held ON held.id = j.id
    LEFT JOIN public.emails e ON j.state = 'succeeded' AND e.job_id = j.id
    WHERE j.queue = 'email_default' AND j.kind = 'generate_email' AND j.state <> 'cancelled'
      AND j.owner LIKE 'user:%'
    """,
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
