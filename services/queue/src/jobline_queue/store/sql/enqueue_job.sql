-- enqueue: – → pending, for one job, with its lease if it is handed out directly. What enqueue_jobs.sql does for many, in
-- a smaller plan: a lone caller waits for it with cold caches, 0.45 ms instead of 0.6 with the commit.
-- Locks: none but the unique indexes. Params: the job's columns, labels and payload as text; those of the lease, all null
-- if there is none. Columns: id, if the job is new.
WITH stored AS (
    INSERT INTO jobline.jobs (
        id, queue, kind, owner, producer, priority, run_at, seq, concurrency_key, idempotency_key, content_hash,
        correlation_id, labels, payload, max_attempts, created_at, updated_at
    )
    VALUES (
        CAST(%(id)s AS uuid), %(queue)s, %(kind)s, %(owner)s, %(producer)s, %(priority)s, to_timestamp(%(run_at)s), %(seq)s,
        %(concurrency_key)s, %(idempotency_key)s, decode(%(content_hash)s, 'hex'), %(correlation_id)s,
        CAST(%(labels)s AS jsonb), CAST(%(payload)s AS jsonb), %(max_attempts)s, to_timestamp(%(created_at)s),
        to_timestamp(%(created_at)s)
    )
    ON CONFLICT DO NOTHING
    RETURNING id
), leased AS (
    INSERT INTO jobline.leases (token, epoch, queue, session_id, worker, principal, job_ids, granted_at, expires_at)
    SELECT CAST(%(token)s AS uuid), %(epoch)s, %(queue)s, CAST(%(session_id)s AS uuid), %(worker)s, %(principal)s,
           ARRAY[id], to_timestamp(%(granted_at)s), to_timestamp(%(expires_at)s)
    FROM stored
    WHERE CAST(%(token)s AS uuid) IS NOT NULL
)
SELECT CAST(id AS text) FROM stored
