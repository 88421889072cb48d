-- enqueue: gives a staged input to the job that was stored in the same transaction. The texts are not copied: TOAST keeps a
-- value that an update does not change. Whether it is all there, the caller sees by the numbers.
-- Params: staging_id, job_id. Columns: parts, items. Index: primary keys.
WITH mine AS (
    UPDATE jobline.job_inputs SET job_id = CAST(%(job_id)s AS uuid), staged_at = NULL
    WHERE job_id = CAST(%(staging_id)s AS uuid) AND staged_at IS NOT NULL
    RETURNING items
), whole AS (
    SELECT count(*) AS parts, coalesce(sum(items), 0) AS items FROM mine
)
UPDATE jobline.jobs j SET input_items = whole.items FROM whole
WHERE j.id = CAST(%(job_id)s AS uuid)
RETURNING whole.parts, j.input_items
