-- Saves the post of a content_generation job. Params: the columns, those of jsonb as JSON text. Columns: created_at.
INSERT INTO public.blog_posts (
    id, user_id, organization_id, title, content, meta_description, topic_data, generation_metadata, status, word_count,
    seo_score_prediction, internal_links_data, cta_suggestions_data, enhancement_level, job_id
) VALUES (
    %(id)s, %(user_id)s, %(organization_id)s, %(title)s, %(content)s, %(meta_description)s, %(topic_data)s,
    %(generation_metadata)s, %(status)s, %(word_count)s, %(seo_score_prediction)s, %(internal_links_data)s,
    %(cta_suggestions_data)s, %(enhancement_level)s, %(job_id)s
)
RETURNING created_at
