-- Removes parts that were staged longer than `seconds` ago and that no job has taken over or needs any more, at most `most`.
-- One that is being taken over is passed by. Params: seconds, most. Index: job_inputs_staged_at.
DELETE FROM jobline.job_inputs WHERE (job_id, part) IN (
    SELECT job_id, part FROM jobline.job_inputs
    WHERE staged_at < now() - make_interval(secs => %(seconds)s)
    ORDER BY staged_at LIMIT %(most)s
    FOR UPDATE SKIP LOCKED
)
