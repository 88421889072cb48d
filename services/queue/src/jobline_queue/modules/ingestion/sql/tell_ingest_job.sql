-- Sets the status of a job's ingest job, if it has one. Params: job_id, status, error (null but for FAILED). No columns.
-- Index: primary keys.
UPDATE public.ingest_jobs i
SET status = %(status)s, error = %(error)s, updated_at = clock_timestamp()
FROM jobline.jobs j
WHERE j.id = CAST(%(job_id)s AS uuid) AND i.id = j.payload ->> 'ingestJobId' AND i.project_id = j.payload ->> 'projectId'
