"""The jobs API: organizations, calls to action, images, and its jobs in the surface's words.

What a job is stays in `jobline.jobs` alone. `jobline.content_jobs` reads it once for the service and for `public.jobs`: its
rows say `running` from the claim on, so a row is all there is to know (modules/content/hooks.py).
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ORGANIZATIONS = [
    # A session's organization has no owner.
    """
    CREATE TABLE public.organizations (
        id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        owner_user_id text CHECK (char_length(owner_user_id) BETWEEN 1 AND 255),
        session_id    text CHECK (char_length(session_id) BETWEEN 1 AND 255),
        website_url   text NOT NULL,
        analysis      jsonb NOT NULL,
        created_at    timestamptz NOT NULL DEFAULT now(),
        updated_at    timestamptz NOT NULL DEFAULT now(),
        CHECK (owner_user_id IS NOT NULL OR session_id IS NOT NULL)
    )
    """,
    "CREATE INDEX organizations_owner_user_id ON public.organizations (owner_user_id, updated_at DESC)",
    # An address may be longer than what an index can hold.
    """
    CREATE UNIQUE INDEX organizations_session_id ON public.organizations (session_id, md5(website_url))
    WHERE owner_user_id IS NULL
    """,
    """
    CREATE TABLE public.cta_analysis (
        id                   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        organization_id      uuid NOT NULL REFERENCES public.organizations (id) ON DELETE CASCADE,
        page_url             text NOT NULL,
        cta_text             text NOT NULL,
        cta_type             text NOT NULL,
        href                 text NOT NULL DEFAULT '',
        placement            text NOT NULL DEFAULT 'main_content',
        conversion_potential integer NOT NULL CHECK (conversion_potential BETWEEN 0 AND 100),
        data_source          text NOT NULL DEFAULT 'scraped',
        created_at           timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE UNIQUE INDEX cta_analysis_key ON public.cta_analysis (organization_id, md5(page_url), cta_text, placement)",
    # A user's organizations go with the user; after the jobs, whose runs may be storing one (sql/lock_analysis.sql): triggers
    # fire in the order of their names.
    """
    CREATE FUNCTION jobline.remove_organizations_of_user() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM public.organizations WHERE owner_user_id = OLD.id;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER users_remove_organizations AFTER DELETE ON public.users
    FOR EACH ROW EXECUTE FUNCTION jobline.remove_organizations_of_user()
    """,
]

JOBS = [
    # The organization that an analysis has stored.
    """
    CREATE TABLE jobline.job_organizations (
        job_id          uuid PRIMARY KEY,
        organization_id uuid NOT NULL REFERENCES public.organizations (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX job_organizations_organization_id ON jobline.job_organizations (organization_id)",
    """
    CREATE TABLE public.media (
        name         text PRIMARY KEY CHECK (name ~ '^[0-9a-f]{32}[.](svg|png|jpg|webp)$'),
        job_id       uuid NOT NULL,
        content_type text NOT NULL CHECK (content_type IN ('image/svg+xml', 'image/png', 'image/jpeg', 'image/webp')),
        content      bytea NOT NULL,
        created_at   timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX media_job_id ON public.media (job_id)",
    # A job takes its images along when it is deleted; what it found out stays with the organization.
    """
    CREATE FUNCTION jobline.forget_analysis() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM public.media WHERE job_id = OLD.id;
        DELETE FROM jobline.job_organizations WHERE job_id = OLD.id;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER jobs_forget_analysis AFTER DELETE ON jobline.jobs
    FOR EACH ROW WHEN (OLD.kind = 'website_analysis') EXECUTE FUNCTION jobline.forget_analysis()
    """,
    # How long jobs of a kind run, for the estimates; the first ones are guesses.
    """
    CREATE TABLE jobline.content_durations (
        kind    text PRIMARY KEY,
        seconds double precision NOT NULL
    )
    """,
    "INSERT INTO jobline.content_durations (kind, seconds) VALUES ('website_analysis', 30), ('content_generation', 20)",
]

_KINDS = "('website_analysis', 'content_generation')"
_SHOWN = f"queue = 'amb-jobs' AND kind IN {_KINDS}"
_USER_ID = "CASE WHEN owner LIKE 'user:%' THEN substr(owner, 6) END"
_SESSION_ID = "CASE WHEN owner LIKE 'session:%' THEN substr(owner, 9) END"

# For those who read the view in SQL. None of these columns ever changes, so starts and ends stay HOT.
INDEXES = [
    f"CREATE INDEX jobs_content_user_id ON jobline.jobs (({_USER_ID}), created_at DESC) WHERE {_SHOWN}",
    f"CREATE INDEX jobs_content_session_id ON jobline.jobs (({_SESSION_ID}), created_at DESC) WHERE {_SHOWN}",
    f"CREATE INDEX jobs_content_type ON jobline.jobs (kind, created_at DESC) WHERE {_SHOWN}",
]

VIEWS = [
    # Only what the worker's last report and the row's state say: no progress is kept twice.
    f"""
    CREATE VIEW jobline.content_jobs AS
    SELECT j.id, j.owner, j.kind AS type, j.seq,
           CASE j.state WHEN 'pending' THEN 'queued' WHEN 'cancelled' THEN 'failed' ELSE j.state END AS status,
           shown.progress,
           CASE WHEN j.state <> 'running' THEN NULL
                WHEN j.kind = 'content_generation' THEN 'running'
                ELSE coalesce(step.label, 'Analyzing website…') END AS current_step,
           CASE WHEN j.state <> 'running' THEN NULL
                WHEN j.kind = 'content_generation' THEN
                    greatest(0, CAST(round(usual.seconds - extract(epoch FROM now() - j.started_at)) AS integer))
                ELSE CAST(round(usual.seconds * (100 - shown.progress) / 100) AS integer)
                END AS estimated_seconds_remaining,
           j.payload AS input,
           CASE WHEN j.state = 'succeeded' THEN j.result END AS result,
           CASE j.state WHEN 'cancelled' THEN 'Cancelled'
                        WHEN 'failed' THEN coalesce(nullif(j.error_message, ''), 'Internal error') END AS error,
           CASE WHEN j.state = 'cancelled' THEN 'CANCELLED'
                WHEN j.state <> 'failed' THEN NULL
                WHEN j.error_code IN ('INSUFFICIENT_CREDITS', 'WORKER_LOST', 'FETCH_FAILED', 'PROVIDER_ERROR')
                THEN j.error_code
                WHEN j.error_code = 'POISON' THEN 'WORKER_LOST'
                ELSE 'INTERNAL' END AS error_code,
           CASE WHEN j.state = 'cancelled' THEN coalesce((
                    SELECT min(e.at) FROM jobline.events e
                    WHERE e.job_id = j.id AND e.name = 'cancel_requested' AND e.at >= j.started_at), j.finished_at)
                ELSE j.cancel_requested_at END AS cancelled_at,
           CASE WHEN j.state <> 'pending' THEN j.started_at END AS started_at,
           j.finished_at, j.created_at, j.updated_at,
           j.step, j.progress_current, j.progress_total
    FROM jobline.jobs j
    LEFT JOIN jobline.content_durations usual ON usual.kind = j.kind
    LEFT JOIN (VALUES ('analyze_website', 0, 'Analyzing website…'), ('generate_audiences', 1, 'Generating audiences…'),
                      ('generate_pitches', 2, 'Generating pitches…'), ('generate_images', 3, 'Generating images…')
              ) AS step (name, number, label) ON step.name = j.step
    CROSS JOIN LATERAL (
        SELECT CASE WHEN j.state = 'pending' OR j.started_at IS NULL THEN 0
                    WHEN j.state = 'succeeded' THEN 100
                    WHEN j.kind = 'content_generation' THEN 10
                    WHEN step.number IS NULL THEN 0
                    ELSE CAST(round(25 * step.number + coalesce(
                        25.0 * least(j.progress_current, j.progress_total) / nullif(j.progress_total, 0), 0)) AS integer)
                    END AS progress
    ) shown
    WHERE j.queue = 'amb-jobs' AND j.kind IN {_KINDS}
    """,
    f"""
    CREATE VIEW public.jobs AS
    SELECT id, 'default' AS tenant_id, {_USER_ID} AS user_id, {_SESSION_ID} AS session_id,
           type, status, progress, current_step, estimated_seconds_remaining, input, result, error, error_code,
           cancelled_at, started_at, finished_at, created_at, updated_at
    FROM jobline.content_jobs
    """,
]


def upgrade() -> None:
    for statement in [*ORGANIZATIONS, *JOBS, *INDEXES, *VIEWS]:
        op.execute(statement)
