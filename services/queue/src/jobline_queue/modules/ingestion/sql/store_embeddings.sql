-- Stores vectors of a project's records that have none. The rows are locked in one order for all.
-- Params: project_id, embeddings (JSON array of objects id, embedding: an array of numbers).
-- The row count is the number of records that had none. Index: primary key.
WITH input AS (
    SELECT id, embedding FROM json_to_recordset(CAST(%(embeddings)s AS json)) AS r (id uuid, embedding vector)
), bare AS (
    SELECT id FROM public.data_records
    WHERE id IN (SELECT id FROM input) AND project_id = %(project_id)s AND embedding IS NULL
    ORDER BY id FOR NO KEY UPDATE
)
UPDATE public.data_records d SET embedding = input.embedding
FROM bare JOIN input USING (id) WHERE d.id = bare.id
