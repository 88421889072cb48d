"""The database queue: projects, ingest jobs, and the jobs of both its kinds in the surface's words.

What a job is stays in `jobline.jobs` alone. `jobline.ingestion_jobs` reads it once, for the service and `public.job_queue`:
its rows say `running` from the claim on, so a row is all there is to know (modules/ingestion/hooks.py).
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Jobs that come in past the surface may name a project that has no row, so nothing refers to this table.
PROJECTS = [
    """
    CREATE TABLE public.projects (
        id         text PRIMARY KEY CHECK (char_length(id) BETWEEN 1 AND 255),
        name       text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
        owner_id   text NOT NULL CHECK (char_length(owner_id) BETWEEN 1 AND 255),
        created_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    "CREATE INDEX projects_owner_id ON public.projects (owner_id, created_at, id)",
    "CREATE INDEX projects_created_at ON public.projects (created_at, id)",
]

# As of the jobs: no index on what a run changes.
INGEST_JOBS = [
    """
    CREATE TABLE public.ingest_jobs (
        id              text PRIMARY KEY CHECK (char_length(id) BETWEEN 1 AND 255),
        project_id      text NOT NULL CHECK (char_length(project_id) BETWEEN 1 AND 255),
        type            text NOT NULL CHECK (type IN ('TASK', 'FEEDBACK')),
        status          text NOT NULL CHECK (status IN ('PENDING', 'PROCESSING', 'QUEUED_FOR_VEC', 'VECTORIZING', 'COMPLETED',
                                                        'FAILED', 'CANCELLED')),
        total_records   bigint NOT NULL,
        saved_count     bigint NOT NULL DEFAULT 0,
        skipped_count   bigint NOT NULL DEFAULT 0,
        skipped_details jsonb NOT NULL DEFAULT '{}',   -- reason → number of records, of the reasons that occurred
        error           text,
        created_at      timestamptz NOT NULL,
        updated_at      timestamptz NOT NULL,
        CHECK ((error IS NOT NULL) = (status = 'FAILED'))
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX ingest_jobs_project_id ON public.ingest_jobs (project_id, created_at, id)",
    # An open job that is deleted never ends by itself: its ingest job must not wait for it.
    """
    CREATE FUNCTION jobline.forget_ingest() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE public.ingest_jobs SET status = 'CANCELLED', updated_at = clock_timestamp()
        WHERE id = OLD.payload ->> 'ingestJobId' AND project_id = OLD.payload ->> 'projectId'
          AND status IN ('PENDING', 'PROCESSING', 'QUEUED_FOR_VEC', 'VECTORIZING');
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER jobs_forget_ingest AFTER DELETE ON jobline.jobs
    FOR EACH ROW WHEN (OLD.kind IN ('INGEST_DATA', 'VECTORIZE') AND OLD.finished_at IS NULL)
    EXECUTE FUNCTION jobline.forget_ingest()
    """,
]

_KINDS = "kind IN ('INGEST_DATA', 'VECTORIZE')"

# None of these columns ever changes, so starts and ends stay HOT.
INDEXES = [
    f"CREATE INDEX jobs_ingestion_created_at ON jobline.jobs (created_at, id) WHERE {_KINDS}",
    f"CREATE INDEX jobs_ingest_job_id ON jobline.jobs ((payload ->> 'ingestJobId')) WHERE {_KINDS}",
]


def _iso(time: str) -> str:
    """A time as JSON has it."""
    return f"""to_char({time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""


_FAILED_AT = """(
    SELECT a.finished_at FROM jobline.attempts a
    WHERE a.job_id = j.id AND a.outcome IN ('failed', 'lost', 'timed_out') ORDER BY a.id DESC LIMIT 1)"""
_CANCELLED_BY = """(
    SELECT regexp_replace(e.actor, '^(user|service):', '') FROM jobline.events e
    WHERE e.job_id = j.id AND e.name IN ('cancelled', 'cancel_requested') AND e.actor <> 'system'
    ORDER BY e.id DESC LIMIT 1)"""
# The parts are laid together as text, arrays without their brackets, and read once: value by value 19 MiB took 38 s. Beyond
# 64 MiB the column tells how many records there are, for a `jsonb` has an end (256 MiB), and `SELECT *` must not find it.
_RECORDS = """CASE
    WHEN (SELECT sum(octet_length(i.data)) FROM jobline.job_inputs i WHERE i.job_id = j.id) > 67108864
    THEN to_jsonb(j.input_items || ' records, too large to be shown here')
    ELSE CAST('[' || (SELECT string_agg(substr(i.data, 2, length(i.data) - 2), ',' ORDER BY i.part)
                      FROM jobline.job_inputs i WHERE i.job_id = j.id) || ']' AS jsonb) END"""

VIEWS = [
    # Attempts are those begun: of a cancelled job also the run that the cancel ended, which counts for nothing otherwise.
    # A run that goes on behind stored records has the progress of those before it has told of any itself.
    # A cancel that came in past the surface left no result; the history says whose it was.
    f"""
    CREATE VIEW jobline.ingestion_jobs AS
    SELECT j.id, j.kind AS job_type,
           CASE j.state WHEN 'pending' THEN 'PENDING' WHEN 'running' THEN 'PROCESSING' WHEN 'succeeded' THEN 'COMPLETED'
                        ELSE 'FAILED' END AS status,
           j.priority,
           CASE WHEN j.state = 'succeeded' THEN NULL
                WHEN j.input_items = 0 THEN j.payload
                ELSE j.payload || jsonb_build_object('records', {_RECORDS}) END AS payload,
           CASE WHEN j.state = 'succeeded' THEN nullif(j.result, 'null')
                WHEN j.state = 'failed' THEN
                    jsonb_build_object('error', j.error_message, 'timestamp', {_iso("j.finished_at")})
                WHEN j.state = 'cancelled' THEN coalesce(j.result, jsonb_build_object(
                    'error', 'Job cancelled by admin', 'cancelledBy', coalesce({_CANCELLED_BY}, 'system'),
                    'cancelledAt', {_iso("j.finished_at")}))
                WHEN j.error_message IS NOT NULL THEN
                    jsonb_build_object('lastError', j.error_message, 'timestamp', {_iso(_FAILED_AT)})
                END AS result,
           CASE WHEN j.progress_total > 0 OR j.progress_message <> '' THEN
                    jsonb_build_object('current', j.progress_current, 'total', j.progress_total,
                                       'message', j.progress_message)
                WHEN j.input_items > 0 AND j.started_at IS NOT NULL THEN (
                    SELECT jsonb_build_object('current', s.output -> 'done', 'total', j.input_items,
                                              'message', 'Processing records...')
                    FROM jobline.steps s WHERE s.job_id = j.id AND s.name = 'records')
                END AS progress,
           CASE WHEN j.state = 'cancelled' AND EXISTS (
                    SELECT FROM jobline.attempts a
                    WHERE a.job_id = j.id AND a.lease_token = j.lease_token AND a.outcome = 'cancelled')
                THEN j.attempt + 1 ELSE j.attempt END AS attempts,
           j.max_attempts, j.run_at AS scheduled_for, j.started_at, j.finished_at AS completed_at,
           j.created_at, j.updated_at,
           j.payload ->> 'ingestJobId' AS ingest_job_id, j.payload ->> 'projectId' AS project_id
    FROM jobline.jobs j
    WHERE j.{_KINDS}
    """,
    """
    CREATE VIEW public.job_queue AS
    SELECT id, job_type, status, priority, payload, result, progress, attempts, max_attempts, scheduled_for, started_at,
           completed_at, created_at, updated_at
    FROM jobline.ingestion_jobs
    """,
]


def upgrade() -> None:
    for statement in [*PROJECTS, *INGEST_JOBS, *INDEXES, *VIEWS]:
        op.execute(statement)
