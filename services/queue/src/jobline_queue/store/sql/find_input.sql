-- The part that holds the value of a number. Params: job_id, item. Columns: those of InputPart. Index: primary key; a part is
-- half of a full one on average or more, so the walk from the end meets a thousand rows at the most.
SELECT part, first_item, items, data FROM jobline.job_inputs
WHERE job_id = CAST(%(job_id)s AS uuid) AND first_item <= %(item)s
ORDER BY part DESC LIMIT 1
