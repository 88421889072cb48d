-- expire, delete: removes jobs with their steps and attempts; the event stays.
-- Params: jobs (JSON array of objects id, name: `expired` or `deleted`, actor, detail), now.
-- Columns: id, queue, owner, producer of each row removed.
WITH input AS (
    SELECT * FROM jsonb_to_recordset(CAST(%(jobs)s AS jsonb)) AS r (id uuid, name text, actor text, detail text)
), removed AS (
    DELETE FROM jobline.jobs j USING input r WHERE j.id = ANY (ARRAY[r.id]) RETURNING j.id, j.queue, j.owner, j.producer, j.state
), no_steps AS (
    DELETE FROM jobline.steps WHERE job_id IN (SELECT id FROM removed)
), no_attempts AS (
    DELETE FROM jobline.attempts WHERE job_id IN (SELECT id FROM removed)
), noted AS (
    INSERT INTO jobline.events (job_id, queue, at, name, from_state, actor, detail)
    SELECT x.id, x.queue, to_timestamp(%(now)s), r.name, x.state, r.actor, r.detail
    FROM removed x JOIN input r ON r.id = x.id
)
SELECT CAST(id AS text), queue, owner, producer FROM removed
