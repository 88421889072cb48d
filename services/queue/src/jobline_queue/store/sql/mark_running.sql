-- Writes what the lease already says into the jobs' own rows: state, run and progress. A HOT update.
-- Params: jobs (JSON array of objects id, attempt, worker, session_id, started_at, step, current, total, message), now.
-- Columns: id of each row that is there. Index: primary key.
UPDATE jobline.jobs j
SET state = 'running', attempt = r.attempt, worker = r.worker, session_id = r.session_id,
    started_at = to_timestamp(r.started_at), step = r.step, progress_current = r.current, progress_total = r.total,
    progress_message = r.message, updated_at = to_timestamp(%(now)s)
FROM jsonb_to_recordset(CAST(%(jobs)s AS jsonb)) AS r (
    id uuid, attempt integer, worker text, session_id uuid, started_at double precision, step text,
    "current" bigint, total bigint, message text
)
WHERE j.id = r.id AND j.finished_at IS NULL
RETURNING CAST(j.id AS text)
