-- What became of an ingest job's records so far. Its row is locked after the job's own, as by those who end a run.
-- Params: ingest_job_id, project_id, saved, skipped, details (JSON text). Index: primary key.
UPDATE public.ingest_jobs
SET saved_count = %(saved)s, skipped_count = %(skipped)s, skipped_details = CAST(%(details)s AS jsonb),
    updated_at = clock_timestamp()
WHERE id = %(ingest_job_id)s AND project_id = %(project_id)s
