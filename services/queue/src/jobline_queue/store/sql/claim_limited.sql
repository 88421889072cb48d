-- claim: pending → running, for queues with a limit. As claim_jobs.sql, but a lease takes in only jobs whose rows are there
-- and unfinished: in a queue that runs one job at a time, a job that was deleted behind the service's back would hold up all others.
-- OFFSET 0: or the rows would be looked for twice, once for each mention of `ids`.
-- Params: leases (JSON array as in claim_jobs.sql). Columns: id of each job in the new leases. Index: primary key.
INSERT INTO jobline.leases (token, epoch, queue, session_id, worker, principal, job_ids, granted_at, expires_at)
SELECT l.token, l.epoch, l.queue, l.session_id, l.worker, l.principal, there.ids,
       to_timestamp(l.granted_at), to_timestamp(l.expires_at)
FROM jsonb_to_recordset(CAST(%(leases)s AS jsonb)) AS l (
    token uuid, epoch bigint, queue text, session_id uuid, worker text, principal text, job_ids uuid[],
    granted_at double precision, expires_at double precision
), LATERAL (
    SELECT ARRAY (SELECT j.id FROM jobline.jobs j WHERE j.id = ANY (l.job_ids) AND j.finished_at IS NULL) AS ids OFFSET 0
) there
WHERE cardinality(there.ids) > 0
RETURNING CAST(job_ids AS text[])
