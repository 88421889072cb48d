-- The jobs that hold any of these idempotency keys. Params: keys (JSON array of objects owner, queue, idempotency_key).
-- Columns: owner, queue, idempotency_key, id, content_hash (hex). Index: jobs_idempotency_key.
SELECT j.owner, j.queue, j.idempotency_key, CAST(j.id AS text), encode(j.content_hash, 'hex')
FROM jsonb_to_recordset(CAST(%(keys)s AS jsonb)) AS k (owner text, queue text, idempotency_key text)
JOIN jobline.jobs j
  ON j.owner = k.owner AND j.queue = k.queue AND j.idempotency_key = k.idempotency_key
WHERE j.idempotency_key IS NOT NULL
