-- Params: job_id, number. Columns: those of InputPart. Index: primary key.
SELECT part, first_item, items, data FROM jobline.job_inputs WHERE job_id = CAST(%(job_id)s AS uuid) AND part = %(number)s
