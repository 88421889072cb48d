-- The progress of a run, in its job's row. A HOT update. Params: job_id, done, total, message. Index: primary key.
UPDATE jobline.jobs
SET progress_current = %(done)s, progress_total = %(total)s, progress_message = %(message)s, updated_at = clock_timestamp()
WHERE id = %(job_id)s
