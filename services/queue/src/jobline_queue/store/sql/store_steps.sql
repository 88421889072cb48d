-- Stores the outputs of finished steps. The same step again replaces its output: only the current run can say it.
-- A recordset reads a JSON null as an SQL one: as an output it is a value like others.
-- Params: steps (JSON array of objects job_id, name, attempt, output, seconds), now. No columns.
INSERT INTO jobline.steps (job_id, name, attempt, output, seconds, finished_at)
SELECT r.job_id, r.name, r.attempt, coalesce(r.output, 'null'), r.seconds, to_timestamp(%(now)s)
FROM jsonb_to_recordset(CAST(%(steps)s AS jsonb)) AS r (
    job_id uuid, name text, attempt integer, output jsonb, seconds double precision
)
ON CONFLICT (job_id, name) DO UPDATE
SET attempt = excluded.attempt, output = excluded.output, seconds = excluded.seconds, finished_at = excluded.finished_at
