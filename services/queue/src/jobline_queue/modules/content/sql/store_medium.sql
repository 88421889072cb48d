-- An image of a job. The row count is 0 if the name is another job's. Params: name, job_id, content_type, content.
-- Index: primary key.
INSERT INTO public.media AS m (name, job_id, content_type, content)
VALUES (%(name)s, %(job_id)s, %(content_type)s, %(content)s)
ON CONFLICT (name) DO UPDATE SET content_type = excluded.content_type, content = excluded.content
WHERE m.job_id = excluded.job_id
