-- retry: failed, cancelled → pending, attempt 0, due now; finished steps are forgotten unless the queue's retries resume.
-- The leases of then may still live with other jobs in them, and must not name these any more. A job whose row somebody has
-- locked is left out: nobody waits for it.
-- Params: jobs (JSON array of objects id, seq, actor, seen (the seq that the job must have; null: any)), resuming (JSON array
-- of the queues whose retries resume), now.
-- Columns: those of load_live_jobs.sql, for each job that was failed or cancelled, and free.
WITH free AS MATERIALIZED (
    SELECT r.* FROM jsonb_to_recordset(CAST(%(jobs)s AS jsonb)) AS r (id uuid, seq bigint, actor text, seen bigint)
    JOIN jobline.jobs j ON j.id = ANY (ARRAY[r.id]) AND j.state IN ('failed', 'cancelled') AND j.seq = coalesce(r.seen, j.seq)
    ORDER BY r.id FOR NO KEY UPDATE OF j SKIP LOCKED
), again AS (
    UPDATE jobline.jobs j
    SET state = 'pending', attempt = 0, losses = 0, run_at = to_timestamp(%(now)s), seq = r.seq, finished_at = NULL,
        started_at = NULL, updated_at = to_timestamp(%(now)s), result = NULL, error_code = NULL, error_message = NULL,
        error_retryable = NULL, step = NULL, progress_current = 0, progress_total = 0, progress_message = '',
        worker = NULL, session_id = NULL, lease_token = NULL, cancel_requested_at = NULL
    FROM free r
    WHERE j.id = ANY (ARRAY[r.id])
    RETURNING j.*
), unlisted AS (
    UPDATE jobline.leases
    SET job_ids = ARRAY(SELECT id FROM unnest(job_ids) AS listed (id) WHERE id NOT IN (SELECT id FROM again))
    WHERE EXISTS (SELECT FROM unnest(job_ids) AS listed (id) WHERE id IN (SELECT id FROM again))
), forgotten AS (
    DELETE FROM jobline.steps
    WHERE job_id IN (SELECT id FROM again WHERE NOT CAST(%(resuming)s AS jsonb) ? queue)
), noted AS (
    INSERT INTO jobline.events (job_id, queue, at, name, from_state, to_state, actor)
    SELECT r.id, a.queue, to_timestamp(%(now)s), 'retried', before.state, 'pending', r.actor
    FROM free r JOIN again a ON a.id = r.id JOIN jobline.jobs before ON before.id = ANY (ARRAY[r.id])
)
SELECT CAST(id AS text), queue, kind, owner, producer, state, priority, extract(epoch FROM run_at)::float8, seq,
       concurrency_key, correlation_id, CAST(labels AS text), CAST(payload AS text), attempt, max_attempts, losses, step,
       progress_current, progress_total, progress_message, extract(epoch FROM created_at)::float8,
       cancel_requested_at IS NOT NULL, worker IS NOT NULL OR run_at > created_at
FROM again
