-- enqueue: – → pending. Stores jobs and, for those handed out directly, their leases.
--
-- A job whose id or idempotency key exists already is left alone; the caller sees it missing from the answer. A lease
-- names only jobs that this statement stored, so a repeated call never runs anything twice.
-- A recordset reads a JSON null as an SQL one: as a payload it is a value like others.
-- Locks: none but the unique indexes. Params: jobs, leases (JSON arrays of objects).
-- Columns: id of each stored job.
WITH stored AS (
    INSERT INTO jobline.jobs (
        id, queue, kind, owner, producer, priority, run_at, seq, concurrency_key, idempotency_key, content_hash,
        correlation_id, labels, payload, max_attempts, created_at, updated_at
    )
    SELECT r.id, r.queue, r.kind, r.owner, r.producer, r.priority, to_timestamp(r.run_at), r.seq, r.concurrency_key,
           r.idempotency_key, decode(r.content_hash, 'hex'), r.correlation_id, r.labels, coalesce(r.payload, 'null'), r.max_attempts,
           to_timestamp(r.created_at), to_timestamp(r.created_at)
    FROM jsonb_to_recordset(CAST(%(jobs)s AS jsonb)) AS r (
        id uuid, queue text, kind text, owner text, producer text, priority integer, run_at double precision, seq bigint,
        concurrency_key text, idempotency_key text, content_hash text, correlation_id text, labels jsonb, payload jsonb,
        max_attempts integer, created_at double precision
    )
    ON CONFLICT DO NOTHING
    RETURNING id
), leased AS (
    INSERT INTO jobline.leases (token, epoch, queue, session_id, worker, principal, job_ids, granted_at, expires_at)
    SELECT l.token, l.epoch, l.queue, l.session_id, l.worker, l.principal, array_agg(s.id),
           to_timestamp(l.granted_at), to_timestamp(l.expires_at)
    FROM jsonb_to_recordset(CAST(%(leases)s AS jsonb)) AS l (
        token uuid, epoch bigint, queue text, session_id uuid, worker text, principal text, job_ids uuid[],
        granted_at double precision, expires_at double precision
    )
    JOIN stored s ON s.id = ANY (l.job_ids)
    GROUP BY 1, 2, 3, 4, 5, 6, 8, 9
)
SELECT CAST(id AS text) FROM stored
