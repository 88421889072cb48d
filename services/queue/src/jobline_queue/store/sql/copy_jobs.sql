-- enqueue: – → pending, for many jobs at once, none of which has an idempotency key or is handed out directly.
--
-- 10 µs a row where enqueue_jobs.sql takes 17: the rows need no parsing twice and go into the heap page by page. COPY
-- knows no ON CONFLICT: when an id exists already (a repeated call), the whole statement is refused with 23505 and stores
-- nothing. Text format, one line a row. The order of the columns is that of dispatch/new_rows.py.
COPY jobline.jobs (
    id, seq, labels, payload, queue, kind, owner, producer, priority, run_at, concurrency_key, correlation_id,
    max_attempts, created_at, updated_at
) FROM STDIN
