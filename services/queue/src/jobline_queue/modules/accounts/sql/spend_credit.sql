-- Spends the credit that a job's run holds.
-- Params: job_id, used_for_type, used_for_id. The row count is 1, or 0 if it holds none. Index: user_credits_job_id.
UPDATE public.user_credits
SET status = 'used', job_id = NULL, used_at = now(), used_for_type = %(used_for_type)s, used_for_id = %(used_for_id)s
WHERE job_id = %(job_id)s
