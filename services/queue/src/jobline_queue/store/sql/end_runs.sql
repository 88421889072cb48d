-- fail, snooze, release, rescue, time out, cancel: every end of a run that is not a success.
--
-- `state` is where the job goes: pending (another run later), failed or cancelled. The run's story becomes an attempt row
-- (unless the delivery never arrived: outcome null), a release an event row too. `scheduled_at` is when the run was due: the
-- job's run_at as this statement finds it. `result` is JSON text or null: what the caller of a cancel left.
-- A job that goes back without this run having counted looks as after its last counted run: that one's start and error.
-- Guard and index: as complete_jobs.sql.
-- Params: jobs (JSON array), now. Columns: id of each row that was there.
WITH input AS (
    SELECT *, r.attempt = r.number AS counted FROM jsonb_to_recordset(CAST(%(jobs)s AS jsonb)) AS r (
        id uuid, state text, attempt integer, losses integer, run_at double precision, started_at double precision,
        worker text, session_id uuid, lease_token uuid, outcome text, result text, number integer, step text,
        error_code text, error_message text, error_retryable boolean, event text, actor text, detail text
    )
), ended AS (
    UPDATE jobline.jobs j
    SET state = r.state, attempt = r.attempt, losses = r.losses, run_at = to_timestamp(r.run_at),
        started_at = CASE WHEN r.counted OR r.state <> 'pending' THEN to_timestamp(r.started_at) ELSE (
            SELECT a.started_at FROM jobline.attempts a
            WHERE a.job_id = r.id AND a.number = r.attempt AND a.outcome IN ('failed', 'lost', 'timed_out')
            ORDER BY a.id DESC LIMIT 1
        ) END,
        worker = r.worker, session_id = r.session_id,
        finished_at = CASE WHEN r.state <> 'pending' THEN to_timestamp(%(now)s) END,
        updated_at = to_timestamp(%(now)s), cancel_requested_at = NULL, lease_token = r.lease_token,
        error_code = CASE WHEN r.counted THEN r.error_code ELSE j.error_code END,
        error_message = CASE WHEN r.counted THEN r.error_message ELSE j.error_message END,
        error_retryable = CASE WHEN r.counted THEN r.error_retryable ELSE j.error_retryable END,
        result = CAST(r.result AS jsonb), step = coalesce(r.step, j.step)
    FROM input r
    WHERE j.id = ANY (ARRAY[r.id]) AND j.finished_at IS NULL
    RETURNING j.id, j.queue
), told AS (
    INSERT INTO jobline.attempts (
        job_id, number, outcome, worker, session_id, lease_token, scheduled_at, started_at, finished_at, step,
        error_code, error_message, error_retryable
    )
    SELECT r.id, r.number, r.outcome, r.worker, r.session_id, r.lease_token, before.run_at, to_timestamp(r.started_at),
           to_timestamp(%(now)s), r.step, r.error_code, r.error_message, r.error_retryable
    FROM input r JOIN ended e ON e.id = r.id JOIN jobline.jobs before ON before.id = ANY (ARRAY[r.id])
    WHERE r.outcome IS NOT NULL
), noted AS (
    INSERT INTO jobline.events (job_id, queue, at, name, from_state, to_state, actor, detail)
    SELECT r.id, e.queue, to_timestamp(%(now)s), r.event, 'running', r.state, r.actor, r.detail
    FROM input r JOIN ended e ON e.id = r.id
    WHERE r.event IS NOT NULL
)
SELECT CAST(id AS text) FROM ended
