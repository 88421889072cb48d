-- claim: pending → running, for queues without limits. One lease row a batch; the jobs' own rows stay as they are, and
-- follow by mark_running.sql if they run for longer than 100 ms. A job whose row is gone is noticed at its end, which changes nothing.
-- Params: leases (JSON array). No columns.
INSERT INTO jobline.leases (token, epoch, queue, session_id, worker, principal, job_ids, granted_at, expires_at)
SELECT l.token, l.epoch, l.queue, l.session_id, l.worker, l.principal, l.job_ids,
       to_timestamp(l.granted_at), to_timestamp(l.expires_at)
FROM jsonb_to_recordset(CAST(%(leases)s AS jsonb)) AS l (
    token uuid, epoch bigint, queue text, session_id uuid, worker text, principal text, job_ids uuid[],
    granted_at double precision, expires_at double precision
)
