-- Calls to action of a page; those that are known keep their ids.
-- Params: organization_id, page_url, ctas (JSON array of objects text, type, href, placement, conversion_potential,
-- data_source; no two with the same text and placement). Columns: id, cta_text, placement. Index: cta_analysis_key.
INSERT INTO public.cta_analysis AS c (
    organization_id, page_url, cta_text, cta_type, href, placement, conversion_potential, data_source
)
SELECT %(organization_id)s, %(page_url)s, r.text, r.type, r.href, r.placement, r.conversion_potential, r.data_source
FROM jsonb_to_recordset(CAST(%(ctas)s AS jsonb)) AS r (
    text text, type text, href text, placement text, conversion_potential integer, data_source text
)
ON CONFLICT (organization_id, md5(page_url), cta_text, placement) DO UPDATE
SET cta_type = excluded.cta_type, href = excluded.href, conversion_potential = excluded.conversion_potential,
    data_source = excluded.data_source
RETURNING CAST(c.id AS text), c.cta_text, c.placement
