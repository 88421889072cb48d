-- Locks the row of a job that has not ended: no run of it ends before this transaction does. Params: job_id.
-- Columns: 1; no row: it has ended, or is gone. Index: primary key.
SELECT 1 FROM jobline.jobs WHERE id = %(job_id)s AND finished_at IS NULL FOR NO KEY UPDATE
