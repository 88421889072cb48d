-- cancel (boundary): notes on a running job that it was asked to stop.
-- Params: jobs (JSON array of objects id, actor, detail), now. Columns: id of each row that was there.
WITH input AS (
    SELECT * FROM jsonb_to_recordset(CAST(%(jobs)s AS jsonb)) AS r (id uuid, actor text, detail text)
), asked AS (
    UPDATE jobline.jobs j SET cancel_requested_at = to_timestamp(%(now)s), updated_at = to_timestamp(%(now)s)
    FROM input r WHERE j.id = ANY (ARRAY[r.id]) AND j.finished_at IS NULL
    RETURNING j.id, j.queue
), noted AS (
    INSERT INTO jobline.events (job_id, queue, at, name, from_state, to_state, actor, detail)
    SELECT a.id, a.queue, to_timestamp(%(now)s), 'cancel_requested', 'running', 'running', r.actor, r.detail
    FROM asked a JOIN input r ON r.id = a.id
)
SELECT CAST(id AS text) FROM asked
