-- Moves the stored place of a job from `before`. The row count is 0 if it was another: a repeated call has come first.
-- Params: job_id, attempt, before, output (JSON text: done, saved, skipped, details). Index: primary key.
INSERT INTO jobline.steps AS s (job_id, name, attempt, output, seconds, finished_at)
SELECT %(job_id)s, 'records', %(attempt)s, CAST(%(output)s AS jsonb), 0, clock_timestamp()
WHERE %(before)s = 0 OR EXISTS (SELECT FROM jobline.steps WHERE job_id = %(job_id)s AND name = 'records')
ON CONFLICT (job_id, name) DO UPDATE
SET attempt = excluded.attempt, output = excluded.output, finished_at = excluded.finished_at
WHERE CAST(s.output ->> 'done' AS bigint) = %(before)s
