"""The core's tables: jobs, leases, attempts, steps, events, queues and the epoch.

The one rule of `jobline.jobs`: no index, key or predicate, on a column that claim, step, retry or end changes. Every such
update is then HOT (it touches no index), which halves what PostgreSQL spends on a job. A fillfactor of 45 leaves each page
room for the new versions, because neighbours end together.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

JOBS = """
CREATE TABLE jobline.jobs (
    id                  uuid PRIMARY KEY,
    queue               text NOT NULL,
    kind                text NOT NULL,
    owner               text NOT NULL DEFAULT '',
    producer            text NOT NULL,                 -- name of the service token that enqueued it
    state               text NOT NULL DEFAULT 'pending'
                        CHECK (state IN ('pending', 'running', 'succeeded', 'failed', 'cancelled')),
    priority            integer NOT NULL DEFAULT 0,    -- higher first
    run_at              timestamptz NOT NULL,
    seq                 bigint NOT NULL,               -- insertion order: epoch * 2^40 + n
    concurrency_key     text NOT NULL DEFAULT '',
    idempotency_key     text,
    content_hash        bytea,                         -- SHA-256; set with an idempotency key
    correlation_id      text NOT NULL DEFAULT '',
    labels              jsonb NOT NULL DEFAULT '{}',
    payload             jsonb NOT NULL,
    result              jsonb,
    error_code          text,
    error_message       text CHECK (char_length(error_message) <= 1000),
    error_retryable     boolean,
    attempt             integer NOT NULL DEFAULT 0,    -- counted runs begun
    max_attempts        integer NOT NULL,
    losses              integer NOT NULL DEFAULT 0,    -- runs lost with their worker
    step                text,                          -- the last step reported
    progress_current    bigint NOT NULL DEFAULT 0,
    progress_total      bigint NOT NULL DEFAULT 0,
    progress_message    text NOT NULL DEFAULT '',
    created_at          timestamptz NOT NULL,
    started_at          timestamptz,
    finished_at         timestamptz,
    updated_at          timestamptz NOT NULL,
    cancel_requested_at timestamptz,
    worker              text,                          -- of the last run
    session_id          uuid,
    lease_token         uuid,                          -- of the run that ended it
    CHECK ((finished_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'cancelled')))
) WITH (
    fillfactor = 45,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.1
)
"""

STATEMENTS = [
    JOBS,
    "CREATE INDEX jobs_owner_created_at ON jobline.jobs (owner, created_at)",
    """CREATE UNIQUE INDEX jobs_idempotency_key ON jobline.jobs (owner, queue, idempotency_key)
       WHERE idempotency_key IS NOT NULL""",
    # One row for each batch handed out; deleted, or shortened, as its jobs end. A job in here is running, whatever its
    # own row says.
    """
    CREATE TABLE jobline.leases (
        token       uuid PRIMARY KEY,
        epoch       bigint NOT NULL,
        queue       text NOT NULL,
        session_id  uuid NOT NULL,
        worker      text NOT NULL,
        principal   text NOT NULL,
        job_ids     uuid[] NOT NULL,
        granted_at  timestamptz NOT NULL,
        expires_at  timestamptz NOT NULL
    ) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000)
    """,
    # Runs that ended otherwise than in success; a success is told by the job's own row.
    """
    CREATE TABLE jobline.attempts (
        id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        job_id          uuid NOT NULL,
        number          integer NOT NULL,
        outcome         text NOT NULL
                        CHECK (outcome IN ('failed', 'released', 'snoozed', 'lost', 'timed_out', 'cancelled')),
        worker          text NOT NULL,
        session_id      uuid NOT NULL,
        lease_token     uuid NOT NULL,
        started_at      timestamptz NOT NULL,
        finished_at     timestamptz NOT NULL,
        step            text,
        error_code      text,
        error_message   text,
        error_retryable boolean
    )
    """,
    "CREATE INDEX attempts_job_id ON jobline.attempts (job_id)",
    """
    CREATE TABLE jobline.steps (
        job_id      uuid NOT NULL,
        name        text NOT NULL,
        attempt     integer NOT NULL,
        output      jsonb NOT NULL,
        seconds     double precision NOT NULL,
        finished_at timestamptz NOT NULL,
        PRIMARY KEY (job_id, name)
    )
    """,
    # Acts that leave no run: cancel, retry, delete, expire, release, pause. They outlive the job.
    """
    CREATE TABLE jobline.events (
        id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        job_id      uuid,
        queue       text NOT NULL,
        at          timestamptz NOT NULL DEFAULT now(),
        name        text NOT NULL,
        from_state  text,
        to_state    text,
        actor       text NOT NULL,
        detail      text NOT NULL DEFAULT ''
    )
    """,
    "CREATE INDEX events_job_id ON jobline.events (job_id)",
    """
    CREATE TABLE jobline.queues (
        name        text PRIMARY KEY,
        paused      boolean NOT NULL,
        changed_at  timestamptz NOT NULL DEFAULT now()
    )
    """,
    # One row: the number of the present term of an active service.
    """
    CREATE TABLE jobline.epoch (
        single   boolean PRIMARY KEY DEFAULT true CHECK (single),
        epoch    bigint NOT NULL,
        instance text NOT NULL,
        taken_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "INSERT INTO jobline.epoch (epoch, instance) VALUES (0, '')",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
