-- Writes what the lease already says into the jobs' own rows: state, run and progress. A HOT update. It waits for nobody: a row
-- that somebody else has locked is left out.
-- Params: jobs (JSON array of objects id, attempt, worker, session_id, started_at, step, current, total, message), now.
-- Columns: id of each row that was written. Index: primary key.
WITH free AS MATERIALIZED (
    SELECT r.* FROM jsonb_to_recordset(CAST(%(jobs)s AS jsonb)) AS r (
        id uuid, attempt integer, worker text, session_id uuid, started_at double precision, step text,
        "current" bigint, total bigint, message text
    ) JOIN jobline.jobs j ON j.id = ANY (ARRAY[r.id]) AND j.finished_at IS NULL
    ORDER BY r.id FOR UPDATE OF j SKIP LOCKED
)
UPDATE jobline.jobs j
SET state = 'running', attempt = r.attempt, worker = r.worker, session_id = r.session_id,
    started_at = to_timestamp(r.started_at), step = r.step, progress_current = r.current, progress_total = r.total,
    progress_message = r.message, updated_at = to_timestamp(%(now)s)
FROM free r WHERE j.id = ANY (ARRAY[r.id])
RETURNING CAST(j.id AS text)
