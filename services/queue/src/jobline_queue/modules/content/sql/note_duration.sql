-- How long jobs of a kind take: the mean, in which older ones count less. It waits for nobody: the end of a run is worth more
-- than an estimate. Params: kind, started_at (epoch seconds). No columns. Index: primary key.
WITH free AS MATERIALIZED (
    SELECT kind FROM jobline.content_durations WHERE kind = %(kind)s FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE jobline.content_durations d
SET seconds = 0.8 * d.seconds
            + 0.2 * greatest(0, extract(epoch FROM clock_timestamp())::float8 - %(started_at)s)
FROM free WHERE d.kind = free.kind
