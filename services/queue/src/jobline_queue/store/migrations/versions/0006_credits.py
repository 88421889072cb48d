"""Credits as rows, each of which pays for one post; and the posts.

Until now a user had a number of credits. A row can be held by a run, spent, and lapse; what was left becomes rows.
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

CREDITS = [
    # `job_id` names the job whose run holds a reserved credit. `seq` tells the older of two that were given together. One
    # whose time has passed stays `active` and counts as expired; operators may say `expired` of others.
    """
    CREATE TABLE public.user_credits (
        id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        user_id       text NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
        source_type   text NOT NULL CHECK (source_type IN ('subscription', 'purchase', 'referral', 'admin_grant')),
        status        text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'reserved', 'used', 'expired')),
        priority      integer NOT NULL,
        expires_at    timestamptz,
        used_at       timestamptz,
        used_for_type text,
        used_for_id   uuid,
        created_at    timestamptz NOT NULL DEFAULT now(),
        job_id        uuid CHECK (job_id IS NULL OR status = 'reserved'),
        seq           bigint GENERATED ALWAYS AS IDENTITY
    )
    """,
    # In the order in which they are spent.
    """
    CREATE INDEX user_credits_user_id_status ON public.user_credits (user_id, status, priority DESC, created_at, seq)
    """,
    "CREATE UNIQUE INDEX user_credits_job_id ON public.user_credits (job_id) WHERE job_id IS NOT NULL",
    """
    CREATE FUNCTION jobline.set_credit_priority() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.priority := CASE NEW.source_type WHEN 'purchase' THEN 100 WHEN 'referral' THEN 75 ELSE 50 END;
        RETURN NEW;
    END $$
    """,
    # A priority that an operator names stays.
    """
    CREATE TRIGGER user_credits_priority BEFORE INSERT ON public.user_credits
    FOR EACH ROW WHEN (NEW.priority IS NULL) EXECUTE FUNCTION jobline.set_credit_priority()
    """,
    """
    INSERT INTO public.user_credits (user_id, source_type, created_at)
    SELECT u.id, 'admin_grant', u.created_at FROM public.users u, generate_series(1, u.credits)
    """,
    "ALTER TABLE public.users DROP COLUMN credits",
    # No hook hears of a job that is deleted while it runs, by whomever.
    """
    CREATE FUNCTION jobline.release_credit() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE public.user_credits SET status = 'active', job_id = NULL WHERE job_id = OLD.id;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER jobs_release_credit AFTER DELETE ON jobline.jobs
    FOR EACH ROW WHEN (OLD.kind = 'content_generation' AND OLD.finished_at IS NULL)
    EXECUTE FUNCTION jobline.release_credit()
    """,
]

POSTS = [
    # The unique job_id is the last wall against a second post for one job. The organization need not exist.
    """
    CREATE TABLE public.blog_posts (
        id                   uuid PRIMARY KEY,
        user_id              text NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
        organization_id      text NOT NULL CHECK (char_length(organization_id) BETWEEN 1 AND 255),
        title                text NOT NULL,
        content              text NOT NULL,
        meta_description     text NOT NULL,
        topic_data           jsonb NOT NULL,
        generation_metadata  jsonb NOT NULL,
        status               text NOT NULL CHECK (char_length(status) BETWEEN 1 AND 50),
        word_count           integer NOT NULL CHECK (word_count >= 0),
        seo_score_prediction integer NOT NULL CHECK (seo_score_prediction BETWEEN 0 AND 100),
        internal_links_data  jsonb NOT NULL,
        cta_suggestions_data jsonb NOT NULL,
        enhancement_level    text NOT NULL CHECK (enhancement_level IN ('basic', 'medium', 'high')),
        created_at           timestamptz NOT NULL DEFAULT now(),
        job_id               uuid NOT NULL UNIQUE,
        seq                  bigint GENERATED ALWAYS AS IDENTITY
    )
    """,
    "CREATE INDEX blog_posts_user_id_created_at ON public.blog_posts (user_id, created_at DESC, seq DESC)",
]


def upgrade() -> None:
    for statement in [*CREDITS, *POSTS]:
        op.execute(statement)
