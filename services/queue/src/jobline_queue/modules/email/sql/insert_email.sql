-- The e-mail of a completed job. Its unique job_id refuses a second one.
-- Params: id, user_id, recipient_name, recipient_interest, email_message, template_type, metadata, is_confident, job_id.
INSERT INTO public.emails (
    id, user_id, recipient_name, recipient_interest, email_message, template_type, metadata, is_confident, job_id
)
VALUES (
    %(id)s, %(user_id)s, %(recipient_name)s, %(recipient_interest)s, %(email_message)s, %(template_type)s,
    CAST(%(metadata)s AS jsonb), %(is_confident)s, %(job_id)s
)
