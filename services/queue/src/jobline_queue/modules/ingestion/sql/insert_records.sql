-- Stores records in their order. A recordset reads a JSON null as an SQL one: as a record it is a value like others.
-- Params: project_id, type, source, ingest_job_id, records (JSON array). No columns.
INSERT INTO public.data_records (
    project_id, type, category, source, content, metadata, ingest_job_id, created_by_id, created_by_name, created_by_email,
    created_at, updated_at
)
SELECT %(project_id)s, %(type)s, r.category, %(source)s, r.content, coalesce(r.metadata, 'null'), %(ingest_job_id)s,
       r.created_by_id, r.created_by_name, r.created_by_email,
       coalesce(to_timestamp(r.created_at), now()), coalesce(to_timestamp(r.updated_at), now())
FROM jsonb_to_recordset(CAST(%(records)s AS jsonb)) AS r (
    category text, content text, metadata jsonb, created_by_id text, created_by_name text, created_by_email text,
    created_at double precision, updated_at double precision
)
