-- Every lease of the terms before. Columns: token, queue, session_id, worker, principal, job_ids (text), granted_at.
SELECT CAST(token AS text), queue, CAST(session_id AS text), worker, principal, CAST(job_ids AS text[]),
       extract(epoch FROM granted_at)::float8
FROM jobline.leases
