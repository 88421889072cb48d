-- The last progress that a run told of. A HOT update. Params: job_id, current, total, message. No columns. Index: primary key.
UPDATE jobline.jobs
SET progress_current = %(current)s, progress_total = %(total)s, progress_message = %(message)s
WHERE id = CAST(%(job_id)s AS uuid)
