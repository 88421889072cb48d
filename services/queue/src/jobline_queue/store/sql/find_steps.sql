-- The finished steps of jobs, in the order in which they finished. Params: ids (text of a uuid array).
-- Columns: job_id, name, output (text), seconds, attempt, finished_at.
SELECT CAST(job_id AS text), name, CAST(output AS text), seconds, attempt, finished_at
FROM jobline.steps WHERE job_id = ANY (CAST(%(ids)s AS uuid[])) ORDER BY job_id, finished_at, name
