-- Notes that a run was told that its project has no record without embedding: the step `nothing_left` of its job, with the token
-- of the run. Params: job_id, attempt, lease_token. No columns. Index: primary key.
INSERT INTO jobline.steps (job_id, name, attempt, output, seconds, finished_at)
VALUES (%(job_id)s, 'nothing_left', %(attempt)s, to_jsonb(CAST(%(lease_token)s AS text)), 0, clock_timestamp())
ON CONFLICT (job_id, name) DO UPDATE
SET attempt = excluded.attempt, output = excluded.output, finished_at = excluded.finished_at
