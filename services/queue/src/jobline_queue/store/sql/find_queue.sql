-- The queue of a job. Params: id. Columns: queue.
SELECT queue FROM jobline.jobs WHERE id = CAST(%(id)s AS uuid)
