-- What an analysis found out, as its organization: of a user the one that was updated last, of a session the one with this
-- address, else a new one. The job is told which.
-- Params: job_id, user_id, session_id (one of them null), url, analysis (JSON text). Columns: id.
-- Indexes: organizations_owner_user_id, organizations_session_id.
WITH known AS (
    (SELECT id FROM public.organizations WHERE owner_user_id = %(user_id)s ORDER BY updated_at DESC, id LIMIT 1)
    UNION ALL
    (SELECT id FROM public.organizations
     WHERE session_id = %(session_id)s AND owner_user_id IS NULL AND md5(website_url) = md5(%(url)s)
       AND website_url = %(url)s)
), changed AS (
    UPDATE public.organizations
    SET website_url = %(url)s, analysis = CAST(%(analysis)s AS jsonb), updated_at = clock_timestamp()
    WHERE id IN (SELECT id FROM known)
    RETURNING id
), added AS (
    INSERT INTO public.organizations (owner_user_id, session_id, website_url, analysis)
    SELECT %(user_id)s, %(session_id)s, %(url)s, CAST(%(analysis)s AS jsonb)
    WHERE NOT EXISTS (SELECT FROM known)
    RETURNING id
), stored AS (
    SELECT id FROM changed UNION ALL SELECT id FROM added
), linked AS (
    INSERT INTO jobline.job_organizations (job_id, organization_id) SELECT %(job_id)s, id FROM stored
    ON CONFLICT (job_id) DO UPDATE SET organization_id = excluded.organization_id
)
SELECT CAST(id AS text) FROM stored
