-- retry: failed, cancelled → pending, attempt 0, due now; its finished steps are forgotten unless `keep_steps`.
-- Its lease of then may still live with other jobs in it, and must not name this one any more.
-- Params: id, keep_steps, now, seq, actor. Columns: those of load_live_jobs.sql, for the one job; no row: not failed or
-- cancelled.
WITH again AS (
    UPDATE jobline.jobs
    SET state = 'pending', attempt = 0, losses = 0, run_at = to_timestamp(%(now)s), seq = %(seq)s, finished_at = NULL,
        started_at = NULL, updated_at = to_timestamp(%(now)s), result = NULL, error_code = NULL, error_message = NULL,
        error_retryable = NULL, step = NULL, progress_current = 0, progress_total = 0, progress_message = '',
        worker = NULL, session_id = NULL, lease_token = NULL, cancel_requested_at = NULL
    WHERE id = CAST(%(id)s AS uuid) AND state IN ('failed', 'cancelled')
    RETURNING *
), unlisted AS (
    UPDATE jobline.leases SET job_ids = array_remove(job_ids, CAST(%(id)s AS uuid))
    WHERE CAST(%(id)s AS uuid) = ANY (job_ids)
), forgotten AS (
    DELETE FROM jobline.steps WHERE NOT %(keep_steps)s AND job_id IN (SELECT id FROM again)
), noted AS (
    INSERT INTO jobline.events (job_id, queue, at, name, from_state, to_state, actor)
    SELECT a.id, a.queue, to_timestamp(%(now)s), 'retried', before.state, 'pending', %(actor)s
    FROM again a JOIN jobline.jobs before ON before.id = a.id
)
SELECT CAST(id AS text), queue, kind, owner, producer, state, priority, extract(epoch FROM run_at)::float8, seq,
       concurrency_key, correlation_id, CAST(labels AS text), CAST(payload AS text), attempt, max_attempts, losses, step,
       progress_current, progress_total, progress_message, extract(epoch FROM created_at)::float8,
       cancel_requested_at IS NOT NULL, worker IS NOT NULL OR run_at > created_at
FROM again
