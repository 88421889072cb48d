-- Of these businesses, those that there are not. Params: ids (list of text). Columns: id. Index: primary key.
SELECT b.id FROM unnest(CAST(%(ids)s AS text[])) AS b (id)
WHERE NOT EXISTS (SELECT 1 FROM public.businesses known WHERE known.id = b.id)
