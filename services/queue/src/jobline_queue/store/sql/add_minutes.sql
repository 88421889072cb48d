-- Adds what queues did in a minute to what is known of it: a minute may be split between two terms, and the later one knows its
-- levels. Params: minutes (JSON array). No columns.
INSERT INTO jobline.queue_minutes AS known (
    queue, minute, ready, delayed, running, enqueued, started, succeeded, failed, cancelled, retried, waits, runs, errors
)
SELECT queue, to_timestamp(minute), ready, delayed, running, enqueued, started, succeeded, failed, cancelled, retried,
       waits, runs, errors
FROM jsonb_to_recordset(%(minutes)s::jsonb) AS new (
    queue text, minute float8, ready bigint, delayed bigint, running bigint, enqueued bigint, started bigint,
    succeeded bigint, failed bigint, cancelled bigint, retried bigint, waits jsonb, runs jsonb, errors jsonb
)
ON CONFLICT (minute, queue) DO UPDATE SET
    ready = excluded.ready, delayed = excluded.delayed, running = excluded.running,
    enqueued = known.enqueued + excluded.enqueued,
    started = known.started + excluded.started,
    succeeded = known.succeeded + excluded.succeeded,
    failed = known.failed + excluded.failed,
    cancelled = known.cancelled + excluded.cancelled,
    retried = known.retried + excluded.retried,
    waits = jobline.add_counts(known.waits, excluded.waits),
    runs = jobline.add_counts(known.runs, excluded.runs),
    errors = jobline.add_counts(known.errors, excluded.errors)
