-- Gives back the credit that a job's run holds, if it holds one. Params: job_id. Index: user_credits_job_id.
UPDATE public.user_credits SET status = 'active', job_id = NULL WHERE job_id = %(job_id)s
