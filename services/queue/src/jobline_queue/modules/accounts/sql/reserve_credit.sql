-- Holds for a job's run the credit that is to be spent first. It waits for nobody: a credit that somebody else has locked is
-- passed over.
-- Params: user_id, job_id. The row count is 1, or 0 if there is none. Index: user_credits_user_id_status.
WITH first AS MATERIALIZED (
    SELECT id FROM public.user_credits
    WHERE user_id = %(user_id)s AND status = 'active' AND (expires_at IS NULL OR expires_at > now())
    ORDER BY priority DESC, created_at, seq
    LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE public.user_credits c SET status = 'reserved', job_id = %(job_id)s FROM first WHERE c.id = first.id
