-- Notes that a run's outcome came when it counted no more: what the worker has done is done, and the job does not say so.
-- One event for each run, however often its worker repeats the outcome. It moves nothing: both states are the one the job is
-- in, null if its row is gone. None for a job that nobody knows, and none for one that was removed after it had succeeded or
-- failed: what is said of it is as likely what had been stored.
-- Params: runs (JSON array of objects id, token, state (null: that of the row), actor, detail), now. No columns.
-- Indexes: events_job_id, primary key of the jobs.
INSERT INTO jobline.events (job_id, queue, at, name, from_state, to_state, actor, detail, lease_token)
SELECT r.id, coalesce(j.queue, removed.queue), to_timestamp(%(now)s), 'voided', coalesce(r.state, j.state),
       coalesce(r.state, j.state), r.actor, r.detail, r.token
FROM jsonb_to_recordset(CAST(%(runs)s AS jsonb)) AS r (id uuid, token uuid, state text, actor text, detail text)
LEFT JOIN jobline.jobs j ON j.id = ANY (ARRAY[r.id])
LEFT JOIN LATERAL (
    SELECT e.queue FROM jobline.events e
    WHERE j.id IS NULL AND e.job_id = r.id AND e.to_state IS NULL AND e.from_state IN ('pending', 'running', 'cancelled')
    LIMIT 1
) removed ON true
WHERE coalesce(j.queue, removed.queue) IS NOT NULL
  AND NOT EXISTS (
    SELECT FROM jobline.events e WHERE e.job_id = r.id AND e.name = 'voided' AND e.lease_token = r.token
)
