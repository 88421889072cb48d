-- An INGEST_DATA job has succeeded: its ingest job has these counts (null: stays as it is), and nobody needs its input again.
-- That is left to the sweep (maintenance/input_sweeper.py): to delete 256 MiB takes longer than other ends should wait.
-- Params: job_id, status, saved, skipped, details (JSON text or null). No columns. Index: primary keys.
WITH told AS (
    UPDATE public.ingest_jobs i
    SET status = %(status)s, error = NULL, updated_at = clock_timestamp(),
        saved_count = coalesce(CAST(%(saved)s AS bigint), i.saved_count),
        skipped_count = coalesce(CAST(%(skipped)s AS bigint), i.skipped_count),
        skipped_details = coalesce(CAST(%(details)s AS jsonb), i.skipped_details)
    FROM jobline.jobs j
    WHERE j.id = CAST(%(job_id)s AS uuid) AND i.id = j.payload ->> 'ingestJobId'
      AND i.project_id = j.payload ->> 'projectId'
)
UPDATE jobline.job_inputs SET staged_at = '-infinity' WHERE job_id = CAST(%(job_id)s AS uuid)
