-- The nearest of a project's records that match the filters, in the order in which the vectors' index finds them: perhaps
-- fewer than there are, as many as fit into an answer, and one in any case.
-- Params: project_id, type, category (null: all), vector (text), limit, bytes. Columns: as of search_exactly.sql.
-- Index: data_records_embedding.
SELECT id, type, category, source, content, metadata, created_at, score
FROM (
    SELECT *,
           sum(octet_length(content) + octet_length(metadata) + octet_length(source)) OVER (ORDER BY number) AS bytes
    FROM (
        SELECT CAST(id AS text) AS id, type, coalesce(category, '') AS category, coalesce(source, '') AS source, content,
               CAST(metadata AS text) AS metadata, created_at, score, row_number() OVER (ORDER BY score DESC, seq) AS number
        FROM (
            SELECT *, 1 - (embedding <=> CAST(%(vector)s AS vector)) AS score
            FROM public.data_records
            WHERE project_id = %(project_id)s AND embedding IS NOT NULL
              AND (CAST(%(type)s AS text) IS NULL OR type = %(type)s)
              AND (CAST(%(category)s AS text) IS NULL OR category = %(category)s)
            ORDER BY embedding <=> CAST(%(vector)s AS vector)
            LIMIT %(limit)s
        ) nearest
    ) numbered
) counted
WHERE bytes <= %(bytes)s OR number = 1
ORDER BY number
