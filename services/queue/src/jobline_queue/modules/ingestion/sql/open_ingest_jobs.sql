-- The ingest jobs of new INGEST_DATA jobs. A program may name one again: then it tells of the new job. One of another project
-- stays as it is.
-- Params: ids (text of a uuid array: the jobs). Index: primary keys.
INSERT INTO public.ingest_jobs AS i (id, project_id, type, status, total_records, created_at, updated_at)
SELECT DISTINCT ON (j.payload ->> 'ingestJobId')
       j.payload ->> 'ingestJobId', j.payload ->> 'projectId', coalesce(j.payload ->> 'type', 'TASK'), 'PENDING',
       j.input_items, j.created_at, j.created_at
FROM jobline.jobs j
WHERE j.id = ANY (CAST(%(ids)s AS uuid[])) AND j.payload ->> 'ingestJobId' IS NOT NULL
ORDER BY j.payload ->> 'ingestJobId', j.seq DESC
ON CONFLICT (id) DO UPDATE
SET type = excluded.type, status = 'PENDING', total_records = excluded.total_records, saved_count = 0, skipped_count = 0,
    skipped_details = '{}', error = NULL, updated_at = excluded.updated_at
WHERE i.project_id = excluded.project_id
