-- cancel: pending → cancelled (the row stays, or goes where the kind removes cancelled jobs).
-- Params: jobs (JSON array of objects id, remove, actor, detail, result (JSON text or null)), now.
-- Columns: id of each row that was there.
WITH input AS (
    SELECT * FROM jsonb_to_recordset(CAST(%(jobs)s AS jsonb)) AS r (
        id uuid, remove boolean, actor text, detail text, result text
    )
), removed AS (
    DELETE FROM jobline.jobs j USING input r WHERE j.id = ANY (ARRAY[r.id]) AND r.remove AND j.finished_at IS NULL
    RETURNING j.id, j.queue
), no_steps AS (
    DELETE FROM jobline.steps WHERE job_id IN (SELECT id FROM removed)
), no_attempts AS (
    DELETE FROM jobline.attempts WHERE job_id IN (SELECT id FROM removed)
), kept AS (
    UPDATE jobline.jobs j
    SET state = 'cancelled', result = CAST(r.result AS jsonb), finished_at = to_timestamp(%(now)s),
        updated_at = to_timestamp(%(now)s)
    FROM input r WHERE j.id = ANY (ARRAY[r.id]) AND NOT r.remove AND j.finished_at IS NULL
    RETURNING j.id, j.queue
), ended AS (
    SELECT id, queue FROM removed UNION ALL SELECT id, queue FROM kept
), noted AS (
    INSERT INTO jobline.events (job_id, queue, at, name, from_state, to_state, actor, detail)
    SELECT e.id, e.queue, to_timestamp(%(now)s), 'cancelled', 'pending',
           CASE WHEN r.remove THEN NULL ELSE 'cancelled' END, r.actor, r.detail
    FROM ended e JOIN input r ON r.id = e.id
)
SELECT CAST(id AS text) FROM ended
