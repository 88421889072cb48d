-- The jobs that hold any of these idempotency keys. Params: keys (JSON array of objects owner, queue, idempotency_key).
-- Columns: owner, queue, idempotency_key, id, content_hash (hex). Index: jobs_idempotency_key, once for each key (OFFSET 0 keeps
-- the planner from reading all of it instead, which in a small table looks cheap).
SELECT k.owner, k.queue, k.idempotency_key, CAST(j.id AS text), encode(j.content_hash, 'hex')
FROM jsonb_to_recordset(CAST(%(keys)s AS jsonb)) AS k (owner text, queue text, idempotency_key text), LATERAL (
    SELECT id, content_hash FROM jobline.jobs
    WHERE owner = k.owner AND queue = k.queue AND idempotency_key = k.idempotency_key AND idempotency_key IS NOT NULL
    OFFSET 0
) j
