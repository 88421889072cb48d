-- Every job that has not ended, for the memory of a new term. Read through a server-side cursor.
-- Columns: the order of `LiveJob` in core/live_job.py (see JobStore.live_jobs). The last one tells a job that may have run
-- before, released, snoozed or retried, from one that was stored and never touched.
SELECT CAST(id AS text), queue, kind, owner, producer, state, priority, extract(epoch FROM run_at)::float8, seq,
       concurrency_key, correlation_id, CAST(labels AS text), CAST(payload AS text), attempt, max_attempts, losses, step,
       progress_current, progress_total, progress_message, extract(epoch FROM created_at)::float8,
       cancel_requested_at IS NOT NULL, worker IS NOT NULL OR run_at > created_at
FROM jobline.jobs
WHERE finished_at IS NULL
