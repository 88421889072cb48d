-- One more e-mail written for a user. Params: user_id.
UPDATE public.users SET generation_count = generation_count + 1 WHERE id = %(user_id)s
