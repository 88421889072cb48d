-- Adds ids that records carry, in one order for all, so that those who add the same ones wait for each other and not in a
-- circle. An id that another transaction is adding is waited for.
-- Params: project_id, type, digests (list of bytes). Columns: digest of each that was not there. Index: primary key.
INSERT INTO public.data_record_ids (project_id, type, digest)
SELECT %(project_id)s, %(type)s, digest FROM unnest(CAST(%(digests)s AS bytea[])) AS digest ORDER BY digest
ON CONFLICT DO NOTHING
RETURNING digest
