-- complete: running → succeeded. A HOT update; leases that are done with go in the same statement.
--
-- Guard: the row is unfinished. That the lease is the job's current one was decided in memory by the one service that
-- may write (see core/lifecycle.py).
-- What the runs of a lease have in common is said once for the lease. The results are one JSON array for each lease,
-- read by position: as an array of jsonb, results that are arrays themselves would be taken for its dimensions.
-- Params: runs (JSON array, an object for each lease: token, worker, session_id, started_at, ids, attempts, steps (absent:
-- none reported one), results (absent: all null)), now, gone (text of a uuid array: the leases whose last job ends here).
-- The row count is the number of jobs completed. Index: primary key, see `store/engine.py` for why not by `=`.
WITH gone AS (
    DELETE FROM jobline.leases WHERE token = ANY (CAST(%(gone)s AS uuid[]))
)
UPDATE jobline.jobs j
SET state = 'succeeded', result = coalesce(l.results -> CAST(r.n - 1 AS integer), 'null'), attempt = r.attempt,
    started_at = to_timestamp(l.started_at), finished_at = to_timestamp(%(now)s), updated_at = to_timestamp(%(now)s),
    worker = l.worker, session_id = l.session_id, lease_token = l.token, error_code = NULL, error_message = NULL,
    error_retryable = NULL, step = coalesce(r.step, j.step)
FROM jsonb_to_recordset(CAST(%(runs)s AS jsonb)) AS l (
    token uuid, worker text, session_id uuid, started_at double precision, ids uuid[], attempts integer[], steps text[],
    results jsonb
), unnest(l.ids, l.attempts, l.steps) WITH ORDINALITY AS r (id, attempt, step, n)
WHERE j.id = ANY (ARRAY[r.id]) AND j.finished_at IS NULL
