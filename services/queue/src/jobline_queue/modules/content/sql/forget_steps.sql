-- Forgets the finished steps of a job that is retried, unless its last run ended with one of the codes.
-- Its runs are found before they are sorted: the newest of all runs, read until one is the job's, could be any number.
-- Params: job_id, resuming (text of a text array). Indexes: attempts_job_id, primary key of the steps.
WITH runs AS MATERIALIZED (
    SELECT id, error_code FROM jobline.attempts WHERE job_id = %(job_id)s
)
DELETE FROM jobline.steps
WHERE job_id = %(job_id)s AND NOT EXISTS (
    SELECT FROM (SELECT error_code FROM runs ORDER BY id DESC LIMIT 1) last
    WHERE last.error_code = ANY (CAST(%(resuming)s AS text[]))
)
