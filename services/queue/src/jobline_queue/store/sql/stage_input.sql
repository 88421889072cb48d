-- Stores a part of an input that belongs to no job yet.
-- Params: staging_id, number, first_item, items, data (a JSON array of `items` values).
INSERT INTO jobline.job_inputs (job_id, part, first_item, items, data, staged_at)
VALUES (CAST(%(staging_id)s AS uuid), %(number)s, %(first_item)s, %(items)s, %(data)s, now())
