-- prune: removes at most `most` finished jobs of a queue, by age since creation (created_before) or end (finished_before).
-- Params: queue, created_before, finished_before (epoch seconds or null), most. Columns: id, queue, owner, producer of each row removed.
WITH old AS (
    SELECT id FROM jobline.jobs
    WHERE queue = %(queue)s AND finished_at IS NOT NULL
      AND (created_at < to_timestamp(%(created_before)s) OR finished_at < to_timestamp(%(finished_before)s))
    LIMIT %(most)s
), removed AS (
    DELETE FROM jobline.jobs WHERE id IN (SELECT id FROM old) AND finished_at IS NOT NULL
    RETURNING id, queue, owner, producer
), no_steps AS (
    DELETE FROM jobline.steps WHERE job_id IN (SELECT id FROM removed)
), no_attempts AS (
    DELETE FROM jobline.attempts WHERE job_id IN (SELECT id FROM removed)
)
SELECT CAST(id AS text), queue, owner, producer FROM removed
