-- The communications of new jobs, in the transaction that stores them. One that exists stays as it is; it is written all the
-- same, because its lock makes a delete of the communication's other job wait until this job can be seen.
-- Params: ids (text of a uuid array: the jobs). Index: primary key.
INSERT INTO public.communication (business_id, id, channel, recipient_contact)
SELECT DISTINCT ON (j.owner, j.payload ->> 'communication_id')
       substr(j.owner, 10), j.payload ->> 'communication_id', j.payload ->> 'channel', j.payload ->> 'recipient_contact'
FROM jobline.jobs j WHERE j.id = ANY (CAST(%(ids)s AS uuid[]))
ORDER BY j.owner, j.payload ->> 'communication_id', j.seq
ON CONFLICT (business_id, id) DO UPDATE SET id = excluded.id
