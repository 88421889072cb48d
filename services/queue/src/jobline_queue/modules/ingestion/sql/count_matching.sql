-- How many records of a project match the filters, counted up to `most`. Those without embedding count, too.
-- Params: project_id, type, category (null: all), most. Columns: the number. Index: data_records_project_id.
SELECT count(*) FROM (
    SELECT FROM public.data_records
    WHERE project_id = %(project_id)s
      AND (CAST(%(type)s AS text) IS NULL OR type = %(type)s)
      AND (CAST(%(category)s AS text) IS NULL OR category = %(category)s)
    LIMIT %(most)s
) matching
