-- complete: running → succeeded. A HOT update; leases that are done with go in the same statement.
--
-- Guard: the row is unfinished. That the lease is the job's current one was decided in memory by the one service that
-- may write (see core/lifecycle.py).
-- A recordset reads a JSON null as an SQL one: as a result it is a value like others.
-- Params: jobs (JSON array of objects id, result, attempt, started_at, worker, session_id, lease_token), now,
-- leases (text of a uuid array: those whose last job ends here). The row count is the number of jobs completed.
WITH gone AS (
    DELETE FROM jobline.leases WHERE token = ANY (CAST(%(leases)s AS uuid[]))
)
UPDATE jobline.jobs j
SET state = 'succeeded', result = coalesce(r.result, 'null'), attempt = r.attempt, started_at = to_timestamp(r.started_at),
    finished_at = to_timestamp(%(now)s), updated_at = to_timestamp(%(now)s), worker = r.worker,
    session_id = r.session_id, lease_token = r.lease_token, error_code = NULL, error_message = NULL,
    error_retryable = NULL, step = coalesce(r.step, j.step)
FROM jsonb_to_recordset(CAST(%(jobs)s AS jsonb)) AS r (
    id uuid, result jsonb, attempt integer, started_at double precision, worker text, session_id uuid, lease_token uuid,
    step text
)
WHERE j.id = r.id AND j.finished_at IS NULL
