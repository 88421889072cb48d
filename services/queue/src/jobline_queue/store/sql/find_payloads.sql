-- The payloads of jobs that are not held in memory. Params: ids (text of a uuid array). Columns: id, payload (text).
SELECT CAST(id AS text), CAST(payload AS text) FROM jobline.jobs WHERE id = ANY (CAST(%(ids)s AS uuid[]))
