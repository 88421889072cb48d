-- Params: job_id. Columns: how many values the job's input has. Index: primary key.
SELECT input_items FROM jobline.jobs WHERE id = CAST(%(job_id)s AS uuid)
