-- Of these organizations, those that there are and that are somebody else's.
-- Params: wanted (JSON array of objects id, owners: whose it may be). Columns: id. Index: primary key.
SELECT CAST(o.id AS text)
FROM jsonb_to_recordset(CAST(%(wanted)s AS jsonb)) AS w (id uuid, owners text[])
JOIN public.organizations o ON o.id = w.id
WHERE NOT coalesce('user:' || o.owner_user_id, 'session:' || o.session_id) = ANY (w.owners)
