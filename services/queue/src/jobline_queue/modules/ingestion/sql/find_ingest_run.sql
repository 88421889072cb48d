-- What a run needs to know of its job to store records. Params: job_id.
-- Columns: project_id, type, source, ingest_job_id, input_items, output of the step `records` (JSON; null: nothing is stored).
-- Indexes: primary keys.
SELECT j.payload ->> 'projectId', coalesce(j.payload ->> 'type', 'TASK'), j.payload ->> 'source', j.payload ->> 'ingestJobId',
       j.input_items, s.output
FROM jobline.jobs j LEFT JOIN jobline.steps s ON s.job_id = j.id AND s.name = 'records'
WHERE j.id = %(job_id)s
