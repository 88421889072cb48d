-- Images that a job has made before. Params: job_id, kept (list of text). No columns. Index: media_job_id.
DELETE FROM public.media WHERE job_id = %(job_id)s AND NOT name = ANY (%(kept)s)
