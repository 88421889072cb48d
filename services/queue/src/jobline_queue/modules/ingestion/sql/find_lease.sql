-- Whether a run holds its lease. To be asked in a statement of its own after lock_run.sql: one that waited for the lock would
-- see the leases as they were before. Params: job_id, lease_token. Columns: 1; no row: it does not. Index: primary key.
SELECT 1 FROM jobline.leases WHERE token = %(lease_token)s AND CAST(%(job_id)s AS uuid) = ANY (job_ids)
