"""The communication surface: businesses' names and members, rights as data, communications, templates and the outbox.

What a job is stays in `jobline.jobs` alone. `jobline.messages` and `jobline.past_messages` read it in the surface's words,
once for the service and for the views of operators; a past message is a run that failed and that another one followed.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BUSINESSES = [
    "ALTER TABLE public.businesses ADD COLUMN name text NOT NULL DEFAULT '' CHECK (char_length(name) <= 255)",
    """
    CREATE TABLE public.business_members (
        user_id     text NOT NULL CHECK (char_length(user_id) BETWEEN 1 AND 255),
        business_id text NOT NULL REFERENCES public.businesses (id) ON DELETE CASCADE,
        role        text NOT NULL CHECK (char_length(role) BETWEEN 1 AND 64),
        PRIMARY KEY (user_id, business_id)
    )
    """,
    "CREATE INDEX business_members_business_id ON public.business_members (business_id)",
    # An owner's jobs go with the owner. The service learns of it from the events (maintenance/reconciler.py).
    # Arguments: what stands before the id in `owner`, and the event's detail.
    """
    CREATE FUNCTION jobline.remove_jobs_of_owner() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        WITH removed AS (
            DELETE FROM jobline.jobs WHERE owner = TG_ARGV[0] || OLD.id RETURNING id, queue, state
        ), steps AS (
            DELETE FROM jobline.steps WHERE job_id IN (SELECT id FROM removed)
        ), attempts AS (
            DELETE FROM jobline.attempts WHERE job_id IN (SELECT id FROM removed)
        )
        INSERT INTO jobline.events (job_id, queue, name, from_state, actor, detail)
        SELECT id, queue, 'deleted', state, 'sql', TG_ARGV[1] FROM removed;
        RETURN NULL;
    END $$
    """,
    "DROP TRIGGER users_remove_jobs ON public.users",
    "DROP FUNCTION jobline.remove_jobs_of_user",
    """
    CREATE TRIGGER users_remove_jobs AFTER DELETE ON public.users
    FOR EACH ROW EXECUTE FUNCTION jobline.remove_jobs_of_owner('user:', 'the user was deleted')
    """,
    """
    CREATE TRIGGER businesses_remove_jobs AFTER DELETE ON public.businesses
    FOR EACH ROW EXECUTE FUNCTION jobline.remove_jobs_of_owner('business:', 'the business was deleted')
    """,
]

RIGHTS = [
    """
    CREATE TABLE public.role_permissions (
        role    text NOT NULL CHECK (char_length(role) BETWEEN 1 AND 64),
        action  text NOT NULL
                CHECK (action IN ('view', 'viewJobs', 'retry', 'cancel', 'delete', 'process', 'create')),
        allowed boolean NOT NULL,
        PRIMARY KEY (role, action)
    )
    """,
    # Roles compare without regard to the case of A-Z, whatever the database's locale.
    """CREATE UNIQUE INDEX role_permissions_role_action ON public.role_permissions (lower(role COLLATE "C"), action)""",
    """
    INSERT INTO public.role_permissions (role, action, allowed)
    SELECT role, action, action = ANY (rights)
    FROM unnest(ARRAY['view', 'viewJobs', 'retry', 'cancel', 'delete', 'process', 'create']) AS action,
         (VALUES ('Admin', ARRAY['view', 'viewJobs', 'retry', 'cancel', 'delete', 'process', 'create']),
                 ('Manager', ARRAY['view', 'viewJobs', 'retry', 'cancel', 'create']),
                 ('Support', ARRAY['view', 'viewJobs', 'retry', 'create']),
                 ('User', ARRAY[]::text[])) AS roles (role, rights)
    """,
    # A change of rights leaves an event in its transaction, whoever makes it: the service says who in `jobline.actor`.
    """
    CREATE FUNCTION jobline.note_right(event text, subject text, was text, becomes text) RETURNS void LANGUAGE sql AS $$
        INSERT INTO jobline.events (queue, name, actor, detail)
        SELECT 'communications', event, coalesce(nullif(current_setting('jobline.actor', true), ''), 'sql'),
               subject || ': ' || was || ' → ' || becomes
        WHERE was <> becomes
    $$
    """,
    """
    CREATE FUNCTION jobline.note_changed_right() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        before text := OLD.role || ' ' || OLD.action;
        after text := NEW.role || ' ' || NEW.action;
        was text := CASE WHEN OLD.allowed THEN 'yes' ELSE 'no' END;
        becomes text := CASE WHEN NEW.allowed THEN 'yes' ELSE 'no' END;
    BEGIN
        IF before = after THEN
            PERFORM jobline.note_right('right_changed', after, was, becomes);
            RETURN NULL;
        END IF;
        IF TG_OP <> 'INSERT' THEN
            PERFORM jobline.note_right('right_changed', before, was, 'none');
        END IF;
        IF TG_OP <> 'DELETE' THEN
            PERFORM jobline.note_right('right_changed', after, 'none', becomes);
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER role_permissions_note AFTER INSERT OR UPDATE OR DELETE ON public.role_permissions
    FOR EACH ROW EXECUTE FUNCTION jobline.note_changed_right()
    """,
    """
    CREATE FUNCTION jobline.note_changed_member() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        before text := OLD.user_id || ' in ' || OLD.business_id;
        after text := NEW.user_id || ' in ' || NEW.business_id;
    BEGIN
        IF before = after THEN
            PERFORM jobline.note_right('member_changed', after, OLD.role, NEW.role);
            RETURN NULL;
        END IF;
        IF TG_OP <> 'INSERT' THEN
            PERFORM jobline.note_right('member_changed', before, OLD.role, 'none');
        END IF;
        IF TG_OP <> 'DELETE' THEN
            PERFORM jobline.note_right('member_changed', after, 'none', NEW.role);
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER business_members_note AFTER INSERT OR UPDATE OR DELETE ON public.business_members
    FOR EACH ROW EXECUTE FUNCTION jobline.note_changed_member()
    """,
]

COMMUNICATIONS = [
    """
    CREATE TABLE public.communication (
        id                text NOT NULL CHECK (char_length(id) BETWEEN 1 AND 255),
        business_id       text NOT NULL REFERENCES public.businesses (id) ON DELETE CASCADE,
        channel           text NOT NULL,
        recipient_contact text NOT NULL,
        created_at        timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (business_id, id)
    )
    """,
    # A business may have a template under an id that a common one has; then its own is used.
    """
    CREATE TABLE public.communication_template (
        id          text NOT NULL DEFAULT gen_random_uuid() CHECK (char_length(id) BETWEEN 1 AND 255),
        business_id text REFERENCES public.businesses (id) ON DELETE CASCADE,
        subject     text,
        body        text NOT NULL,
        UNIQUE NULLS NOT DISTINCT (id, business_id)
    )
    """,
    "INSERT INTO public.communication_template (id, subject, body) VALUES ('notice', '{{subject}}', '{{message}}')",
    # The unique job_id is the last wall against a second entry for one job.
    """
    CREATE TABLE public.communication_outbox (
        id                uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        seq               bigint GENERATED ALWAYS AS IDENTITY,
        business_id       text NOT NULL REFERENCES public.businesses (id) ON DELETE CASCADE,
        job_id            uuid NOT NULL UNIQUE,
        communication_id  text NOT NULL,
        channel           text NOT NULL,
        recipient_contact text NOT NULL,
        subject           text,
        body              text NOT NULL,
        attempt           integer NOT NULL,
        sent_at           timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX communication_outbox_business_id_seq ON public.communication_outbox (business_id, seq)",
    # A job that goes takes its outbox entry along, and its communication unless another job has it; then that one's contact
    # stands. The lock waits for a job that is being added (sql/store_communications.sql), so that it is seen.
    """
    CREATE FUNCTION jobline.forget_message() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        of_business text := substr(OLD.owner, 10);
        of_communication text := OLD.payload ->> 'communication_id';
    BEGIN
        DELETE FROM public.communication_outbox WHERE job_id = OLD.id;
        PERFORM 1 FROM public.communication c WHERE c.business_id = of_business AND c.id = of_communication FOR UPDATE;
        UPDATE public.communication c
        SET channel = first.payload ->> 'channel', recipient_contact = first.payload ->> 'recipient_contact'
        FROM (SELECT j.payload FROM jobline.jobs j
              WHERE j.kind = 'send_message' AND j.owner = OLD.owner AND j.payload ->> 'communication_id' = of_communication
              ORDER BY j.created_at, j.seq LIMIT 1) first
        WHERE c.business_id = of_business AND c.id = of_communication;
        IF NOT FOUND THEN
            DELETE FROM public.communication c WHERE c.business_id = of_business AND c.id = of_communication;
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER jobs_forget_message AFTER DELETE ON jobline.jobs
    FOR EACH ROW WHEN (OLD.kind = 'send_message') EXECUTE FUNCTION jobline.forget_message()
    """,
    # Owner and payload never change, so starts and ends stay HOT.
    """
    CREATE INDEX jobs_communication_id ON jobline.jobs (owner, (payload ->> 'communication_id'))
    WHERE kind = 'send_message'
    """,
]

_JOB_COLUMNS = """
           j.owner, substr(j.owner, 10) AS business_id, j.payload ->> 'communication_id' AS communication_id,
           CASE j.priority WHEN 10 THEN 'high' WHEN 0 THEN 'normal' ELSE 'low' END AS priority,
           j.max_attempts, j.payload ->> 'text' AS payload, j.created_at, j.seq
"""
_SHOWN = """
    business_id, communication_id, status, priority, scheduled_at, started_at, completed_at, attempts, max_attempts,
    last_error, payload, created_at, updated_at
"""

VIEWS = [
    # Attempts are those begun: of a cancelled job also the run that the cancel ended, which counts for nothing otherwise.
    f"""
    CREATE VIEW jobline.messages AS
    SELECT j.id, {_JOB_COLUMNS},
           CASE j.state WHEN 'running' THEN 'processing' WHEN 'succeeded' THEN 'completed' ELSE j.state END AS status,
           j.run_at AS scheduled_at,
           j.started_at,
           CASE WHEN j.state = 'succeeded' THEN j.finished_at END AS completed_at,
           CASE WHEN j.state = 'cancelled' AND EXISTS (
                    SELECT 1 FROM jobline.attempts a
                    WHERE a.job_id = j.id AND a.lease_token = j.lease_token AND a.outcome = 'cancelled')
                THEN j.attempt + 1 ELSE j.attempt END AS attempts,
           j.error_message AS last_error, j.updated_at,
           j.priority AS core_priority, j.payload ->> 'channel' AS channel,
           j.payload ->> 'recipient_contact' AS recipient_contact, j.payload ->> 'subject' AS subject,
           j.payload ->> 'body' AS body
    FROM jobline.jobs j
    WHERE j.kind = 'send_message'
    """,
    # The run that made a job `failed` is the job itself, until a retry makes it a past one.
    f"""
    CREATE VIEW jobline.past_messages AS
    SELECT a.entry_id AS id, a.job_id, {_JOB_COLUMNS},
           'failed' AS status, a.scheduled_at, a.started_at,
           CAST(NULL AS timestamptz) AS completed_at, a.number AS attempts, a.error_message AS last_error,
           a.finished_at AS updated_at
    FROM jobline.attempts a JOIN jobline.jobs j ON j.id = a.job_id
    WHERE j.kind = 'send_message' AND a.outcome IN ('failed', 'lost', 'timed_out')
      AND (j.state <> 'failed' OR a.lease_token IS DISTINCT FROM j.lease_token)
    """,
    f"CREATE VIEW public.communication_queue AS SELECT id, {_SHOWN} FROM jobline.messages",
    f"CREATE VIEW public.communication_history AS SELECT id, job_id, {_SHOWN} FROM jobline.past_messages",
]


def upgrade() -> None:
    for statement in [*BUSINESSES, *RIGHTS, *COMMUNICATIONS, *VIEWS]:
        op.execute(statement)
