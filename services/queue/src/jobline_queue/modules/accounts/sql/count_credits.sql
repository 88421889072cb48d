-- A user's credits in numbers: active (can be spent), reserved, used, expired. No row for a user who is not known.
-- Params: user_id. Index: user_credits_user_id_status.
SELECT count(c.id) FILTER (WHERE c.status = 'active' AND (c.expires_at IS NULL OR c.expires_at > now())) AS active,
       count(c.id) FILTER (WHERE c.status = 'reserved') AS reserved,
       count(c.id) FILTER (WHERE c.status = 'used') AS used,
       count(c.id) FILTER (WHERE c.status = 'expired' OR c.status = 'active' AND c.expires_at <= now()) AS expired
FROM public.users u LEFT JOIN public.user_credits c ON c.user_id = u.id
WHERE u.id = %(user_id)s
GROUP BY u.id
