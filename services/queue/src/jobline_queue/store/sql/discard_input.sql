-- Forgets a staged input. A job that takes it over at this moment holds its rows: then there is nothing left to forget.
-- Params: staging_id. Index: primary key.
DELETE FROM jobline.job_inputs WHERE job_id = CAST(%(staging_id)s AS uuid) AND staged_at IS NOT NULL
