-- complete, and claim what comes next: for limited queues, one commit from the end of a job to the start of the next.
--
-- The completing half is complete_jobs.sql, the claiming half claim_limited.sql; neither sees what the other writes, and
-- neither needs to, since a job that ends here is never the one that is claimed.
-- Params: runs, now, gone as in complete_jobs.sql; leases as in claim_jobs.sql.
-- Columns: id, claimed (true: in one of the new leases; false: completed).
WITH gone AS (
    DELETE FROM jobline.leases WHERE token = ANY (CAST(%(gone)s AS uuid[]))
), claimed AS (
    INSERT INTO jobline.leases (token, epoch, queue, session_id, worker, principal, job_ids, granted_at, expires_at)
    SELECT l.token, l.epoch, l.queue, l.session_id, l.worker, l.principal, there.ids,
           to_timestamp(l.granted_at), to_timestamp(l.expires_at)
    FROM jsonb_to_recordset(CAST(%(leases)s AS jsonb)) AS l (
        token uuid, epoch bigint, queue text, session_id uuid, worker text, principal text, job_ids uuid[],
        granted_at double precision, expires_at double precision
    ), LATERAL (
        SELECT ARRAY (SELECT j.id FROM jobline.jobs j WHERE j.id = ANY (l.job_ids) AND j.finished_at IS NULL) AS ids OFFSET 0
    ) there
    WHERE cardinality(there.ids) > 0
    RETURNING job_ids
), done AS (
    UPDATE jobline.jobs j
    SET state = 'succeeded', result = coalesce(l.results -> CAST(r.n - 1 AS integer), 'null'), attempt = r.attempt,
        started_at = to_timestamp(l.started_at), finished_at = to_timestamp(%(now)s), updated_at = to_timestamp(%(now)s),
        worker = l.worker, session_id = l.session_id, lease_token = l.token, error_code = NULL, error_message = NULL,
        error_retryable = NULL, step = coalesce(r.step, j.step)
    FROM jsonb_to_recordset(CAST(%(runs)s AS jsonb)) AS l (
        token uuid, worker text, session_id uuid, started_at double precision, ids uuid[], attempts integer[],
        steps text[], results jsonb
    ), unnest(l.ids, l.attempts, l.steps) WITH ORDINALITY AS r (id, attempt, step, n)
    WHERE j.id = ANY (ARRAY[r.id]) AND j.finished_at IS NULL
    RETURNING j.id
)
SELECT CAST(id AS text), false FROM done
UNION ALL
SELECT CAST(unnest(job_ids) AS text), true FROM claimed
