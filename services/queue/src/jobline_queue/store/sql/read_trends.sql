-- What queues did, in stretches of `length` seconds from `begin` on; a queue that did nothing in one has no row for it. Levels are
-- those of its last minute. Params: begin, finish (epoch seconds), length, queue (empty: all). Columns: queue, the stretch's
-- begin, the columns of queue_minutes from ready to errors.
WITH minutes AS (
    SELECT *, %(begin)s + floor((extract(epoch FROM minute) - %(begin)s) / %(length)s)::bigint * %(length)s AS begin
    FROM jobline.queue_minutes
    WHERE minute >= to_timestamp(%(begin)s::float8) AND minute < to_timestamp(%(finish)s::float8)
      AND %(queue)s::text IN ('', queue)
), sums AS (
    SELECT queue, begin, (array_agg(ARRAY[ready, delayed, running] ORDER BY minute DESC))[1:1] AS levels,
           sum(enqueued)::bigint AS enqueued, sum(started)::bigint AS started, sum(succeeded)::bigint AS succeeded,
           sum(failed)::bigint AS failed, sum(cancelled)::bigint AS cancelled, sum(retried)::bigint AS retried
    FROM minutes GROUP BY queue, begin
), counts AS (
    SELECT queue, begin, of, jsonb_object_agg(key, total) AS counts
    FROM (
        SELECT queue, begin, of, key, sum(value::bigint) AS total
        FROM minutes
             CROSS JOIN LATERAL (VALUES ('waits', waits), ('runs', runs), ('errors', errors)) AS maps (of, map)
             CROSS JOIN LATERAL jsonb_each_text(map)
        GROUP BY queue, begin, of, key
    ) AS totals
    GROUP BY queue, begin, of
)
SELECT sums.queue, sums.begin, levels[1][1], levels[1][2], levels[1][3],
       enqueued, started, succeeded, failed, cancelled, retried, waits.counts, runs.counts, errors.counts
FROM sums
     LEFT JOIN counts AS waits ON waits.of = 'waits' AND (waits.queue, waits.begin) = (sums.queue, sums.begin)
     LEFT JOIN counts AS runs ON runs.of = 'runs' AND (runs.queue, runs.begin) = (sums.queue, sums.begin)
     LEFT JOIN counts AS errors ON errors.of = 'errors' AND (errors.queue, errors.begin) = (sums.queue, sums.begin)
