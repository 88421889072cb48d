-- Locks unfinished rows before their hooks run. Params: ids (text of a uuid array). Columns: id of each unfinished row.
SELECT CAST(id AS text) FROM jobline.jobs
WHERE id = ANY (CAST(%(ids)s AS uuid[])) AND finished_at IS NULL
ORDER BY id FOR UPDATE
