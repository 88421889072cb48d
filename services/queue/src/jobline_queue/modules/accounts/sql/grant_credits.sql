-- Gives a user credits, once: where the first of the ids is known, the call was made before, and gives nothing more.
-- Params: ids (text of a uuid array), user_id, source_type, expires_at (epoch seconds, or null).
INSERT INTO public.user_credits (id, user_id, source_type, expires_at)
SELECT new.id, %(user_id)s, %(source_type)s, to_timestamp(%(expires_at)s)
FROM unnest(CAST(%(ids)s AS uuid[])) WITH ORDINALITY AS new (id, n)
WHERE NOT EXISTS (SELECT FROM public.user_credits WHERE id = (CAST(%(ids)s AS uuid[]))[1])
ORDER BY new.n
ON CONFLICT (id) DO NOTHING
