-- The outbox entry of a job that ends here; its unique job_id lets no second one in. A subject is an e-mail's alone.
-- Params: job_id, attempt. The row count is 1, or 0 when there is an entry. Index: primary key.
INSERT INTO public.communication_outbox (
    business_id, job_id, communication_id, channel, recipient_contact, subject, body, attempt
)
SELECT substr(j.owner, 10), j.id, j.payload ->> 'communication_id', j.payload ->> 'channel',
       j.payload ->> 'recipient_contact', CASE j.payload ->> 'channel' WHEN 'email' THEN j.payload ->> 'subject' END,
       j.payload ->> 'body', %(attempt)s
FROM jobline.jobs j WHERE j.id = CAST(%(job_id)s AS uuid)
ON CONFLICT (job_id) DO NOTHING
