-- Takes jobs that returned to the queue out of their leases, and leases that are done with away.
-- Params: leases (JSON array of objects token, job_ids: what it still holds; empty: delete). No columns.
WITH input AS (
    SELECT * FROM jsonb_to_recordset(CAST(%(leases)s AS jsonb)) AS r (token uuid, job_ids uuid[])
), gone AS (
    DELETE FROM jobline.leases l USING input r WHERE l.token = r.token AND cardinality(r.job_ids) = 0
)
UPDATE jobline.leases l SET job_ids = r.job_ids FROM input r WHERE l.token = r.token AND cardinality(r.job_ids) > 0
