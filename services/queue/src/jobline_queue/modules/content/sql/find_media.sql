-- The names of a job's images. Params: job_id. Columns: name. Index: media_job_id.
SELECT name FROM public.media WHERE job_id = %(job_id)s
