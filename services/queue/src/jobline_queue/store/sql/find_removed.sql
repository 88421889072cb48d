-- Jobs that went with their user. Params: after (event id). Columns: event id, job id. Index: primary key.
SELECT id, CAST(job_id AS text) FROM jobline.events
WHERE id > %(after)s AND name = 'deleted' AND actor = 'sql'
