-- Calls to action that a page has no more. Params: organization_id, page_url, kept (text of a uuid array).
-- No columns. Index: cta_analysis_key.
DELETE FROM public.cta_analysis
WHERE organization_id = %(organization_id)s AND md5(page_url) = md5(%(page_url)s)
  AND NOT id = ANY (CAST(%(kept)s AS uuid[]))
