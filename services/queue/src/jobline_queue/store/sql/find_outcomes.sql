-- What became of runs that memory does not know any more, so that a repeated outcome gets a true answer.
-- Params: runs (JSON array of objects id, token). Columns: id, token, state (null: no such job), the token of the run that
-- ended it, and the outcome in the attempt row that has the token (null: none).
SELECT CAST(r.id AS text), CAST(r.token AS text), j.state, CAST(j.lease_token AS text),
       (SELECT a.outcome FROM jobline.attempts a WHERE a.job_id = r.id AND a.lease_token = r.token LIMIT 1)
FROM jsonb_to_recordset(CAST(%(runs)s AS jsonb)) AS r (id uuid, token uuid)
LEFT JOIN jobline.jobs j ON j.id = ANY (ARRAY[r.id])
