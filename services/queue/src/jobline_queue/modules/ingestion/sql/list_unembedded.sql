-- Records without embedding, those stored first: as many as fit into an answer, and one in any case.
-- Params: project_id, limit, characters (of a content that are read), bytes (of all contents). Columns: id, content.
-- Index: data_records_unembedded.
SELECT CAST(id AS text), content
FROM (
    SELECT id, content, seq, sum(octet_length(content)) OVER (ORDER BY seq) AS bytes, row_number() OVER (ORDER BY seq) AS number
    FROM (
        SELECT id, left(content, %(characters)s) AS content, seq
        FROM public.data_records
        WHERE project_id = %(project_id)s AND embedding IS NULL
        ORDER BY seq LIMIT %(limit)s
    ) first
) counted
WHERE bytes <= %(bytes)s OR number = 1
ORDER BY seq
