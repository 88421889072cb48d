-- extend: the batch's expiry, from heartbeats. Params: leases (JSON array of objects token, expires_at). No columns.
UPDATE jobline.leases l SET expires_at = to_timestamp(r.expires_at)
FROM jsonb_to_recordset(CAST(%(leases)s AS jsonb)) AS r (token uuid, expires_at double precision)
WHERE l.token = r.token
