-- What a VECTORIZE job was given, and whether its project has records without embedding; and whether this run was told that it
-- has none. Params: job_id, lease_token. Columns: payload, left, told that nothing is left.
-- Indexes: primary keys, that of the records without embedding.
SELECT j.payload, EXISTS (
    SELECT FROM public.data_records r WHERE r.project_id = j.payload ->> 'projectId' AND r.embedding IS NULL
), EXISTS (
    SELECT FROM jobline.steps s
    WHERE s.job_id = j.id AND s.name = 'nothing_left' AND s.output = to_jsonb(CAST(%(lease_token)s AS text))
)
FROM jobline.jobs j WHERE j.id = CAST(%(job_id)s AS uuid)
