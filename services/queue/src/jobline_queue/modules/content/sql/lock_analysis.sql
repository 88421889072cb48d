-- The address that an analysis is about, and a lock: the job is not deleted before what its run stores can be seen.
-- Params: job_id. Columns: url; no row: the job is gone. Index: primary key.
SELECT payload ->> 'url' FROM jobline.jobs WHERE id = %(job_id)s FOR KEY SHARE
